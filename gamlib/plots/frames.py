"""Controls that choose among pictures drawn beforehand, as a piece of HTML: no Python, no network, no library.

A page of the book has no kernel, so nothing can be computed when a reader moves a control. Instead every picture is
there from the start, and a control hides all but one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

# One position a control, in their order; None: whatever that control says.
Place = tuple[int | None, ...]

# Runs when a control moves. A frame names the choices at which it stands as "0,2 1,2"; an empty position fits all.
_SHOW = """
const chosen = new FormData(this);
for (const frame of this.querySelectorAll('[data-at]'))
  frame.hidden = !frame.dataset.at.split(' ').some(
    at => at.split(',').every((position, control) => position === '' || position === chosen.get(control)));
for (const slider of this.querySelectorAll('[type=range]')) {
  const label = JSON.parse(slider.dataset.labels)[slider.value];
  slider.nextElementSibling.value = label;
  slider.ariaValueText = label;
}"""


@dataclass(frozen=True)
class Chooser:
    """What a reader chooses: one of a few buttons, or, among many options in an order, a place on a slider.

    `options`: their labels; a single one is no choice, and no control is shown. `chosen`: position of the one that is
    chosen at first.
    """

    name: str
    options: Sequence[str]
    chosen: int = 0
    slider: bool = False

    def html(self, position: int) -> str:
        """The control at a position among those of its explorer."""
        name = escape(self.name)
        if len(self.options) == 1:
            return f'<input type="hidden" name="{position}" value="0">'
        if self.slider:
            labels, label = escape(json.dumps(list(self.options))), escape(self.options[self.chosen])
            return (
                f'<p><label><span>{name}</span> <input type="range" name="{position}" min="0" '
                f'max="{len(self.options) - 1}" value="{self.chosen}" data-labels="{labels}" '
                f'aria-valuetext="{label}"> <output>{label}</output></label></p>'
            )
        buttons = "".join(
            f'<label><input type="radio" name="{position}" value="{value}"{" checked" * (value == self.chosen)}> '
            f"{escape(option)}</label> "
            for value, option in enumerate(self.options)
        )
        return f"<fieldset><legend>{name}</legend>{buttons}</fieldset>"


@dataclass(frozen=True)
class Explorer:
    r"""Controls, and parts of a page that follow them; shows itself in a notebook.

    `about`: a sentence above. `parts`: each Place -> HTML, of which the piece that fits is shown; a piece that stands
    at several choices is kept once.

    Examples
    --------
    >>> explorer = Explorer("Two words.", [Chooser("word", ["yes", "no"])], [{(0,): "<b>yes</b>", (1,): "<b>no</b>"}])
    >>> explorer._repr_html_()[-80:]
    '<div data-at="0"><b>yes</b></div><div data-at="1" hidden><b>no</b></div></form>\n'
    """

    about: str
    controls: Sequence[Chooser]
    parts: Sequence[Mapping[Place, str]]

    def _repr_html_(self) -> str:
        controls = "".join(control.html(position) for position, control in enumerate(self.controls))
        frames = "".join(self._frames(part) for part in self.parts)
        return (
            f'<form class="gam-explorer" autocomplete="off" onsubmit="return false" oninput="{escape(_SHOW)}">'
            f"<p>{escape(self.about)}</p><noscript><p>The controls need scripts, which are switched off in this "
            f"browser: what is shown is the first choice.</p></noscript>{controls}{frames}</form>\n"
        )

    def _frames(self, part: Mapping[Place, str]) -> str:
        standing: dict[str, list[Place]] = {}
        for choice, piece in part.items():
            standing.setdefault(piece, []).append(choice)
        first = [control.chosen for control in self.controls]
        pieces = []
        for piece, choices in standing.items():
            at = " ".join(",".join("" if place is None else str(place) for place in choice) for choice in choices)
            shown = any(all(a in (None, b) for a, b in zip(choice, first, strict=True)) for choice in choices)
            pieces.append(f'<div data-at="{at}"{"" if shown else " hidden"}>{piece}</div>')
        return "".join(pieces)

    def __repr__(self) -> str:
        return f"Explorer({', '.join(f'{control.name}: {len(control.options)}' for control in self.controls)})"
