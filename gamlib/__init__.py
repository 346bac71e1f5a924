"""Gradient Activation Maps for visual similarity and classification.

The flow goes one way: image, transform, forward, trace, map, figure or metric, results.
"""

from importlib.metadata import version

from gamlib.boxes import box_iou, largest_component_box, mask_iou, tune_threshold
from gamlib.data import load_dataset, make_pairs, smallest_objects
from gamlib.evaluation import evaluate
from gamlib.maps import aggregate, min_max, resize
from gamlib.methods import (
    METHODS,
    gam,
    grad_cam,
    grad_cam_pp,
    grad_cam_pp_stable,
    layer_cam,
    layer_maps,
    saliency_maps,
)
from gamlib.metrics import average_drop, explanation_map, increase_in_confidence
from gamlib.models import MODELS, Model, Preprocess, load_model
from gamlib.scores import ClassScore, Cosine, Dot
from gamlib.traces import Layer, Trace, trace, trace_class, trace_pair

__version__ = version("gamlib")

__all__ = [
    "METHODS",
    "MODELS",
    "ClassScore",
    "Cosine",
    "Dot",
    "Layer",
    "Model",
    "Preprocess",
    "Trace",
    "aggregate",
    "average_drop",
    "box_iou",
    "evaluate",
    "explanation_map",
    "gam",
    "grad_cam",
    "grad_cam_pp",
    "grad_cam_pp_stable",
    "increase_in_confidence",
    "largest_component_box",
    "layer_cam",
    "layer_maps",
    "load_dataset",
    "load_model",
    "make_pairs",
    "mask_iou",
    "min_max",
    "resize",
    "saliency_maps",
    "smallest_objects",
    "trace",
    "trace_class",
    "trace_pair",
    "tune_threshold",
]
