"""Gradient Activation Maps for visual similarity and classification.

The flow goes one way: image, transform, forward, trace, map, figure or metric, results.
"""

from importlib import import_module
from importlib.metadata import version

# Module -> its public names; the methods are public by their names in METHODS, too. A name loads its module when it
# is first used: the command line, which imports this package as well, must not wait for torch and timm.
_PUBLIC = {
    "boxes": ("box_iou", "largest_component_box", "mask_iou"),
    "data": ("load_dataset", "make_pairs", "smallest_objects"),
    "evaluation": ("Settings", "evaluate", "save"),
    "images": ("open_image",),
    "maps": ("aggregate", "min_max", "resize"),
    "methods": ("METHODS", "layer_maps", "saliency_maps"),
    "metrics": ("average_drop", "explanation_map", "increase_in_confidence"),
    "models": ("MODELS", "Model", "Preprocess", "load_model"),
    "scores": ("ClassScore", "Cosine", "Dot"),
    "traces": ("Layer", "Trace", "trace", "trace_class", "trace_pair"),
}
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}

__version__ = version("gamlib")
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> object:
    if name in _MODULE_OF:
        value = globals()[name] = getattr(import_module(f"gamlib.{_MODULE_OF[name]}"), name)
        return value
    # not an attribute that the import system or a debugger looks for
    methods = {} if name.startswith("_") else import_module("gamlib.methods").METHODS
    if name in methods:
        return methods[name]
    raise AttributeError(f"module 'gamlib' has no attribute '{name}'; public names: {', '.join([*__all__, *methods])}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
