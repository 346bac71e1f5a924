"""Editions of the exercises, their checks, and grading."""
