"""How is a transposed convolution an ordinary one? At the input's size, followed by a pixel shuffle.

Output 2i + a of a kernel of 5 with padding 2 sees the inputs i + j through the tap a + 2 - 2j (Shi et al.
2016).
"""

from __future__ import annotations

from torch import Tensor


def reach(kernel: int, stride: int) -> int:
    """How many inputs to either side the ordinary convolution sees."""
    half = kernel // 2
    return half if stride == 1 else (half + stride - 1) // stride


def as_convolution(weight: Tensor, stride: int) -> Tensor:
    """Weights of a transposed convolution with padding k // 2 and output padding stride - 1.

    weight: (in, out, k, k), k odd; to (out * stride^2, in, w, w) in the order of `pixel_shuffle`.
    """
    inputs, outputs, kernel = weight.shape[:3]
    half, far = kernel // 2, reach(kernel, stride)
    window = 2 * far + 1
    made = weight.new_zeros(outputs, stride, stride, inputs, window, window)

    def taps(phase: int) -> list[tuple[int, int]]:
        pairs = ((j + far, phase + half - stride * j) for j in range(-far, far + 1))
        return [(place, tap) for place, tap in pairs if 0 <= tap < kernel]

    for a in range(stride):
        for b in range(stride):
            for row, tap_row in taps(a):
                for column, tap_column in taps(b):
                    made[:, a, b, :, row, column] = weight[:, :, tap_row, tap_column].T
    return made.reshape(outputs * stride**2, inputs, window, window)
