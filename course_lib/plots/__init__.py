"""Figures: functions that take arrays and return a matplotlib Figure, a module for each chapter.

    base             what they share: `figure`, `heatmap`, `show_image`, `described`
    convolution      padding, stride, dilation, groups and transposition, for any sizes
    why_convolution  chapter 01
    output_size      chapter 02
    channels         chapter 03
    pooling          chapter 04
    receptive_field  chapter 05

No function here shows anything, keeps a figure alive or sets matplotlib's global state. A chapter
hands the figure to `described` together with the text that stands in for it.
"""

from course_lib.plots.base import Described, described

__all__ = ["Described", "described"]
