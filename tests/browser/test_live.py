"""The page that computes: its maps are gamlib's, from the files that a reader drops, and nothing leaves the machine."""

import base64
import importlib.util
import io
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import skimage.data
import torch
from gambook.publish.live import LIVE_NETWORKS, network_files
from PIL import Image

import gamlib
from gamlib.boxes import largest_component_box
from gamlib.images import open_image

spec = importlib.util.spec_from_file_location("rebuilt", Path(__file__).parents[1] / "rebuilt.py")
rebuilt = importlib.util.module_from_spec(spec)
spec.loader.exec_module(rebuilt)

NAMES = list(gamlib.METHODS)
# what does not depend on the width is looked at once
once = pytest.mark.parametrize("context", ["desktop"], indirect=True)
PACKED = """const packed = (a) => {
    const b = new Uint8Array(a.buffer, a.byteOffset, a.byteLength);
    let s = '';
    for (let i = 0; i < b.length; i += 8192) s += String.fromCharCode(...b.subarray(i, i + 8192));
    return btoa(s);
};"""
REPORT = f"""async () => {{
    {PACKED}
    const {{beside, photographs, rows, said}} = await GamLive.report();
    return {{beside, said, seen: photographs.map((one) => one && packed(one.bytes)), best: photographs.map((one) => one?.best),
        rows: rows.map(({{s, drawn, title}}) => ({{s, title, boxes: drawn.map(({{box}}) => box), finite: drawn.map(({{finite}}) => finite),
            maps: drawn.map(({{map}}) => packed(map))}}))}};
}}"""  # noqa: E501


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photographs as files."""
    folder = tmp_path_factory.mktemp("photographs")
    for name, pixels in {
        "cat": skimage.data.cat(),
        "coffee": skimage.data.coffee(),
        "left": skimage.data.stereo_motorcycle()[0],
        "right": skimage.data.stereo_motorcycle()[1],
    }.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def halved():
    """Network -> gamlib's, with the very weights that the page has."""
    return {name: rebuilt.rebuilt(network_files(gamlib.load_model(name), "float16"), name) for name in LIVE_NETWORKS}


class Live:
    """The page, its network loaded; photographs and settings as a reader gives them."""

    def __init__(self, visited):
        self.visited, self.page = visited, visited.page
        self.page.get_by_role("button", name="Load the network").click()
        self.page.locator(".gam-live.ready").wait_for(timeout=60_000)

    def give(self, *paths):
        for side, path in enumerate(paths):
            self.page.get_by_label(f"Photograph {'AB'[side]} …").set_input_files(path)
        return self.report()

    def set(self, **values):
        for name, value in values.items():
            control = self.page.locator(f".bar [name={name}]")
            if name in ("n", "threshold"):
                control.fill(str(value))
            else:
                control.select_option(value)
        return self.report()

    def report(self):
        report = self.page.evaluate(REPORT)
        for row in report["rows"]:
            side = round(len(base64.b64decode(row["maps"][0])) / 4) ** 0.5
            row["maps"] = [
                np.frombuffer(base64.b64decode(one), np.float32).reshape(int(side), -1) for one in row["maps"]
            ]
        return report


@pytest.fixture
def live(visit):
    return lambda address="": Live(visit("book/live", address))


def expected(model, paths, score, n):
    """gamlib's maps and boxes of the files: [photograph][method]."""
    x = model.batch(paths)
    target = int(model.logits(x[:1]).argmax())
    kind = {"cosine": gamlib.Cosine([(0, 1)]), "dot": gamlib.Dot([(0, 1)]), "class": gamlib.ClassScore(target)}[score]
    (trace,) = gamlib.trace(model, x, [kind], layers=n)
    maps = gamlib.saliency_maps(trace, NAMES, [n])
    return trace.score.tolist(), [[maps[name, n][side].numpy() for name in NAMES] for side in range(len(paths))]


def compare(report, model, paths, score, n):
    """Worst pixel of each finite map; where gamlib's is not finite the page's is not, and boxes differ by a pixel."""
    scores, maps = expected(model, paths, score, n)
    worst = []
    for row, value, own in zip(report["rows"], scores, maps, strict=True):
        assert row["s"] == pytest.approx(value, rel=2e-5, abs=1e-5)
        for name, ours, theirs, box in zip(NAMES, row["maps"], own, row["boxes"], strict=True):
            assert np.isfinite(ours).all() == np.isfinite(theirs).all(), (score, n, name)
            if np.isfinite(theirs).all():
                worst.append(np.abs(ours - theirs).max())
                wanted = largest_component_box(theirs, 0.3)
                assert np.abs(np.subtract(box or (0,) * 4, wanted or (0,) * 4)).max() <= 2, (score, n, name)
    return worst


def check(worst):
    """Most maps are the same to five digits; where an activation stands on the edge of a ReLU6, a gradient is not."""
    assert np.median(worst) < 2e-6 and np.mean(np.array(worst) < 1e-5) > 0.6 and max(worst) < 5e-3


@once
@pytest.mark.parametrize("name", LIVE_NETWORKS)
def test_maps_are_those_of_gamlib_on_the_same_weights(live, folder, halved, name):
    page, paths = live(f"#network={name}"), [folder / "cat.png", folder / "coffee.png"]
    model, report = halved[name], page.give(*paths)
    pixels = (model.pixels(model.batch(paths)) * 255).round().permute(0, 2, 3, 1).to(torch.uint8).numpy()
    assert [base64.b64decode(seen) == own.tobytes() for seen, own in zip(report["seen"], pixels, strict=True)] == [
        True,
        True,
    ]
    logits = model.logits(model.batch(paths))
    best = [[each["target"] for each in one] for one in report["best"]]
    assert best == logits.topk(5).indices.tolist()
    off = []
    for score, choice in (("class", f"class-{best[0][0]}"), ("cosine", "cosine"), ("dot", "dot")):
        for n in (1, 2, 4):
            off += compare(page.set(score=choice, n=n), model, paths, score, n)
    check(off)
    assert page.visited.complaints == []


@once
@pytest.mark.parametrize("name", LIVE_NETWORKS)
def test_with_32_bits_maps_are_those_of_the_book(live, folder, name):
    other = next(each for each in LIVE_NETWORKS if each != name)
    page, model = live(f"#network={other}"), gamlib.load_model(name)
    paths = [folder / "cat.png", folder / "coffee.png"]
    # what a build with 32 bits writes is there before the page asks for it
    for text in network_files(model, "float32").values():
        page.page.add_script_tag(content=text.decode())
    page.set(network=name)
    page.give(*paths)
    check([off for n in (1, 2) for off in compare(page.set(score="cosine", n=n), model, paths, "cosine", n)])


@once
def test_16_bits_move_maps_by_a_few_hundredths(live, folder):
    page, paths, model = live(), [folder / "cat.png", folder / "coffee.png"], gamlib.load_model("efficientnet_lite0")
    page.give(*paths)
    scores, maps = expected(model, paths, "cosine", 2)
    rows = page.set(score="cosine", n=2)["rows"]
    off = np.abs(np.stack([row["maps"] for row in rows]) - np.stack([np.stack(own) for own in maps]))
    assert off.mean() < 5e-3 and off.max() < 0.1


def test_nothing_is_asked_for_before_the_button_and_nothing_of_the_network_after(visit, folder):
    asked = []
    visited = visit("book/live", listen=asked.append)
    visited.page.wait_for_timeout(300)
    assert [address for address in asked if "_static/live/" in address] == []
    page = Live(visited)
    page.give(folder / "cat.png")
    assert sum("_static/live/" in address for address in asked) > 10
    assert {urlsplit(address).scheme for address in asked} <= {"file", "data", "blob"}
    assert visited.complaints == []


@once
def test_a_photograph_may_be_dropped_on_its_place(live, folder):
    page = live()
    given = page.give(folder / "cat.png")["seen"][0]
    held = page.page.evaluate_handle(
        """(text) => {
            const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)), held = new DataTransfer();
            held.items.add(new File([bytes], 'dropped.png', {type: 'image/png'}));
            return held;
        }""",
        base64.b64encode((folder / "cat.png").read_bytes()).decode(),
    )
    page.page.locator(".slot").nth(1).dispatch_event("drop", {"dataTransfer": held})
    page.page.get_by_text("dropped.png").first.wait_for()
    assert page.report()["seen"] == [given, given]


@once
def test_a_large_score_loses_the_printed_map_alone(live, folder):
    page = live("#score=dot&n=1")
    report = page.give(folder / "left.png", folder / "right.png")
    assert [row["finite"] for row in report["rows"]] == [[name != "grad_cam_pp" for name in NAMES]] * 2
    assert f"takes the exponential of the score, {report['rows'][0]['s']:.1f}" in report["said"]
    assert page.page.get_by_role("img", name="Grad-CAM++: not finite").count() == 2


@once
def test_a_photograph_against_itself_has_empty_maps(live, folder):
    # at its maximum the cosine's gradient is 0; rounding used to leave noise, which was stretched to [0, 1]
    report = live("#network=squeezenet1_1&score=cosine&n=2").give(folder / "left.png", folder / "left.png")
    assert [row["s"] for row in report["rows"]] == pytest.approx([1, 1])
    assert [[one.any() for one in row["maps"]] for row in report["rows"]] == [[False] * len(NAMES)] * 2
    assert [row["boxes"] for row in report["rows"]] == [[None] * len(NAMES)] * 2


@once
@pytest.mark.parametrize("value", [0.1, -0.7, 3e20])
def test_a_layer_with_one_value_everywhere_has_an_empty_map(live, value):
    drawn = "(value) => [...GamLive.saliency([{side: 7}], () => new Float64Array(49).fill(value), 0, 224)]"
    assert set(live().page.evaluate(drawn, value)) == {0}


@once
def test_what_cannot_be_read_is_said_in_words(live, tmp_path):
    page = live()
    for name, content, said in (
        ("words.jpg", b"no photograph at all", "words.jpg cannot be read as a photograph"),
        ("none.png", b"", "none.png is empty"),
        ("phone.heic", b"\0\0\0\x24ftypheic\0\0\0\0mif1", "only Safari opens"),
        ("scan.tif", b"II*\0\x08\0\0\0", "is a TIFF file"),
        ("paper.pdf", b"%PDF-1.7", "is a PDF file"),
    ):
        (tmp_path / name).write_bytes(content)
        report = page.give(tmp_path / name)
        assert said in report["said"] and "JPEG" in report["said"]
        assert report["rows"] == []


@once
def test_files_are_read_as_gamlib_reads_them(live, tmp_path):
    model, page = gamlib.load_model("efficientnet_lite0"), live()
    cat = Image.fromarray(skimage.data.cat())
    turned = Image.Exif()
    turned[274] = 6
    grey = (np.asarray(cat.convert("L")).astype(np.uint16) << 4) + 7  # 12 bits
    fading = cat.convert("RGBA")
    fading.putalpha(Image.linear_gradient("L").resize(cat.size))
    files = {
        "turned.jpg": (cat, {"exif": turned.tobytes(), "quality": 92}, 0),
        "grey.png": (cat.convert("L"), {}, 0),
        "twelve.png": (Image.fromarray(grey), {}, 0),
        "tall.png": (cat.crop((0, 0, 80, 300)), {}, 0),
        "fading.png": (fading, {}, 2),
        # Pillow's own way of making it smaller is another
        "wide.jpg": (cat.resize((10_000, 1_200)), {}, 12),
    }
    for name, (image, options, most) in files.items():
        image.save(tmp_path / name, **options)
        seen = np.frombuffer(base64.b64decode(page.give(tmp_path / name)["seen"][0]), np.uint8).reshape(224, 224, 3)
        own = (model.pixels(model.transform(open_image(tmp_path / name))) * 255).round().permute(1, 2, 0).numpy()
        assert np.abs(seen - own).max() <= most, name
    assert page.visited.complaints == []


@once
def test_the_address_keeps_the_settings_and_no_photograph(live, folder):
    page = live("#score=dot&n=1&view=table&threshold=0.55&network=squeezenet1_1&nonsense=1")
    values = {name: page.page.locator(f".bar [name={name}]").input_value() for name in ("view", "n")}
    assert values == {"view": "table", "n": "1"}
    assert page.page.locator("[name=score]").inner_text().strip() == "choose a photograph first"
    assert page.give(folder / "cat.png")["said"] == "The dot product wants two photographs: choose A and B."
    page.give(folder / "cat.png", folder / "coffee.png")
    page.set(view="switches", n=2)
    address = urlsplit(page.page.url).fragment
    assert parse_qs(address) == {
        "network": ["squeezenet1_1"], "score": ["dot"], "view": ["switches"], "n": ["2"], "threshold": ["0.55"],
        "switches": ["reluG,reluA"],
    }  # fmt: skip
    assert "These settings are GAM" in page.page.locator(".named").inner_text()
    rows = page.report()["rows"]
    assert [np.array_equal(row["maps"][0], row["maps"][1]) for row in rows] == [True, True]


@once
def test_switches_answer_the_questions_of_the_page(live, folder):
    page = live("#network=squeezenet1_1&view=switches&n=1&score=dot")
    page.give(folder / "cat.png", folder / "coffee.png")

    def own_and_gam(**switches):
        for name, on in switches.items():
            page.page.locator(f".switches [name={name}]").set_checked(on)
        return [row["maps"][:2] for row in page.report()["rows"]]

    # an embedding after a ReLU is no negative gradient: nothing to cut under the dot product
    assert all(np.array_equal(own, gam) for own, gam in own_and_gam(reluG=False))
    page.set(score="cosine")
    assert all(np.abs(own - gam).max() > 0.1 for own, gam in own_and_gam())
    # with a plain ReLU it does not matter on which side of it GAM reads
    assert all(np.array_equal(own, gam) for own, gam in own_and_gam(reluG=True, before=True))


def test_one_picture_keeps_what_is_seen(live, folder):
    page = live()
    page.give(folder / "cat.png")
    with page.page.expect_download() as waiting:
        page.page.get_by_role("button", name="Save what is seen").click()
    saved = Image.open(io.BytesIO(Path(waiting.value.path()).read_bytes()))
    assert (saved.format, saved.width) == ("PNG", 6 * (224 + 12) + 12)


@once
def test_without_a_worker_the_page_computes_itself(visit, folder):
    visited = visit("book/live", before="delete window.Worker")
    report = Live(visited).give(folder / "cat.png")
    assert report["beside"] is False and len(report["rows"][0]["maps"]) == len(NAMES)


def test_it_fits_and_has_names_for_those_who_do_not_see(live, folder):
    page = live()
    page.give(folder / "cat.png", folder / "coffee.png")
    for view in ("methods", "table", "switches"):
        page.set(view=view)
        wide, window = page.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert wide <= window, view
    assert list(page.page.evaluate("Object.keys(GamLive.METHODS)")) == NAMES
    # each control is reached by the keyboard, and is called something
    controls = page.page.locator(".gam-live :is(button, input, select)")
    for control in controls.all():
        control.focus()
        assert control.evaluate("one => one === document.activeElement || one.disabled")
        named = control.evaluate("one => (one.labels?.[0] ?? one).textContent.trim() || one.ariaLabel")
        assert named
    unnamed = page.page.locator(".gam-live canvas:not([aria-label])")
    assert unnamed.count() == 0 and page.page.locator(".gam-live [role=status]").count() == 1


@once
def test_the_keyboard_is_enough(visit):
    visited = visit("book/live")
    visited.page.get_by_role("button", name="Load the network").focus()
    visited.page.keyboard.press("Enter")
    visited.page.locator(".gam-live.ready").wait_for(timeout=60_000)
    visited.page.get_by_role("button", name="coffee as photograph A").press("Enter")
    visited.page.evaluate("GamLive.report()")
    assert re.search(r"A: coffee; class espresso", visited.page.locator(".maps").inner_text())


CONTRAST = """() => {
    const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = (colour) => {
        const [r, g, b] = channels(colour).slice(0, 3).map((c) => (c / 255 <= 0.04045 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (one) => {
        for (; one; one = one.parentElement) {
            const [, , , opaque = 1] = channels(getComputedStyle(one).backgroundColor);
            if (opaque === 1) return getComputedStyle(one).backgroundColor;
        }
        return 'rgb(255, 255, 255)';
    };
    return [...document.querySelectorAll('.gam-live :is(button:enabled, select, label, legend, p, figcaption)')].map((one) => {
        const [a, b] = [light(getComputedStyle(one).color), light(ground(one))].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05);
    });
}"""  # noqa: E501


@once
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_letters_stand_out_in_both_modes(visit, folder, mode):
    visited = visit("book/live", "#view=switches", before=f"localStorage.mode = localStorage.theme = '{mode}'")
    page = Live(visited)
    page.give(folder / "cat.png")
    assert visited.page.locator("html").get_attribute("data-theme") == mode
    # what WCAG asks of text
    assert min(visited.page.evaluate(CONTRAST)) >= 4.5
