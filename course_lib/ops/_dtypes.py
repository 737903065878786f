"""In which type an operator computes, and in which type it answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from course_lib._validate import Array


def computing_and_result_types(*arrays: Array) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """The type to compute in and the type to answer in, for these inputs.

    >>> computing_and_result_types(np.zeros(3, np.uint8), np.zeros(3, np.int8))
    (dtype('int64'), dtype('int64'))
    >>> computing_and_result_types(np.zeros(3, np.float16))
    (dtype('float32'), dtype('float16'))
    """
    if all(array.dtype.kind in "biu" for array in arrays):
        # 200 * 2 in 8 bits is 144: a sum of products must not stay as narrow as its pixels.
        return np.dtype(np.int64), np.dtype(np.int64)
    result = np.result_type(*(array.dtype for array in arrays))
    if result == np.float16:
        return np.dtype(np.float32), result
    return result, result
