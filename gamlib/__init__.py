"""Gradient Activation Maps for visual similarity and classification.

The flow goes one way: image, transform, forward, trace, map, figure or metric, results.
"""

from importlib.metadata import version

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
    "gam",
    "grad_cam",
    "grad_cam_pp",
    "grad_cam_pp_stable",
    "layer_cam",
    "layer_maps",
    "load_model",
    "min_max",
    "resize",
    "saliency_maps",
    "trace",
    "trace_class",
    "trace_pair",
]
