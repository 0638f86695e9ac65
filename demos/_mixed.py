"""--amp of the demos: what of a training step is computed in half precision (docs/half.md)."""

from __future__ import annotations

from typing import Literal

import pydl

Amp = Literal["off", "fp16", "bf16"]


class Mixed:
    """Autocast and a scaler of the loss, as an option says; "off" leaves every step as it is.

    Args:
        amp: fp16 needs the scaler; bf16 has the range of float32 and does without.
        device: Where the parameters are.
    """

    def __init__(self, amp: Amp, device: str = "cpu") -> None:
        self.dtype = pydl.bfloat16 if amp == "bf16" else pydl.float16
        self.enabled = amp != "off"
        self.scaler = pydl.amp.GradScaler(enabled=amp == "fp16", device=device)

    def forward(self) -> pydl.amp.autocast:
        """For the block of the networks and the loss."""
        return pydl.amp.autocast(self.dtype, self.enabled)

    def norm(self, norm: pydl.Tensor) -> pydl.Tensor:
        """Of gradients, or 0 where the scaler leaves the step out: they were infinite then.

        Args:
            norm: ().
        """
        return pydl.where(pydl.isfinite(norm), norm, 0.0) if self.scaler.is_enabled() else norm
