import pytest
from gambook.claims.paper import load_claims, load_table, relative_gain


def test_tables_have_every_printed_number():
    # Table 1: 3 tasks x 3 strata x 2 measures x 3 methods x 2 depths; Table 2: 25 rows x 3 methods x 2 depths
    assert len(load_table(1)) == 108
    assert len(load_table(2)) == 150


def test_a_change_has_the_first_number_as_its_base():
    # Table 2, classes, 25%, ResNet: GAM 40.8 and 43.1; (43.1 - 40.8) / 40.8 = 5.64%, where 8.3% is printed
    table = load_table(2).query("task == 'Classification' and model == 'ResNet' and area_percentile == 25")
    one, two = table[table["method"] == "gam"].set_index("n")["value"]
    assert relative_gain(one, two) == pytest.approx(5.637, abs=5e-4)


@pytest.fixture(scope="module")
def claims():
    return load_claims().set_index("id")


def test_all_claims_are_listed(claims):
    assert list(dict.fromkeys(claims["claim"])) == [*(f"C{i}" for i in range(1, 19)), "F1", "F2", "F3", "F4"]
    # each has its own comparison, and what is ours says so
    assert set(claims.loc[claims["role"] == "primary", "claim"]) == set(claims["claim"])
    assert (claims.loc[claims["claim"].str.startswith("F"), "source"] == "ours").all()
    assert (claims.loc[claims["b"].str.startswith("grad_cam_pp_stable"), "role"] == "secondary").all()
    assert claims.index.is_unique
    assert set(claims["sign"]) == {-1, 0, 1}
    assert set(claims["task"]) == {"class", "cosine", "dot"}
    # lower is better for ADP alone, and a smaller area is more focused
    lower = claims["metric"].str.startswith("adp") | (claims["metric"] == "area")
    lower |= claims["a"].eq("grad_cam:1") & claims["b"].eq("constant_box:0")  # that Grad-CAM fails
    lower |= claims["claim"].isin(["F3", "F4"])
    assert (claims.loc[lower & (claims["claim"] != "F3"), "sign"] == -1).all()
    assert (claims.loc[~lower, "sign"] >= 0).all()


def test_paper_values_by_hand(claims):
    # Table 2, cosine: 57.4 - 52.8 = 4.6 (DenseNet) and 57.1 - 39.1 = 18.0 (ResNet); mean 11.3
    assert claims.loc["C2.1", "paper_rows"] == "VRC DenseNet +4.60; VRC ResNet +18.00"
    assert claims.loc["C2.1", "paper_value"] == pytest.approx(11.3)
    # Table 1, cosine: 0.75 - 3.21
    assert claims.loc["C2.3", "paper_value"] == pytest.approx(-2.46)
    # Table 2, class, 10% against 25%: DenseNet 9.6/23.4 - 4.8/39 = 41.03 - 12.31 in percent,
    # ResNet 7.3/26.1 - 2.3/40.8 = 27.97 - 5.64
    assert claims.loc["C6.1", "paper_rows"] == "VRC DenseNet +28.72; VRC ResNet +22.33"


def test_the_paper_contradicts_itself_where_its_tables_say_so(claims):
    c5 = claims[(claims["claim"] == "C5") & (claims["task"] == "cosine") & (claims["a"] == "grad_cam:1")]
    c5 = c5[c5["metric"] == "box_iou"]
    assert c5["paper_rows"].item() == "VRC DenseNet -0.70; VRC ResNet +0.90"


def test_no_paper_value_where_none_is_printed(claims):
    unprinted = claims[claims["a"].str.contains("max|layer") | claims["b"].str.contains("stable|:3|:4|max|product")]
    assert len(unprinted) and unprinted["paper_value"].isna().all() and (unprinted["paper_rows"] == "").all()
