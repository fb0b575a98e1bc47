"""The sections of a study file that fixations and quality are judged by."""

from __future__ import annotations

from typing import Any

from pydantic import Field, PositiveFloat

from gazekit.core.config import Section
from gazekit.core.tables import Cut


class FixationSection(Section):
    """Hold ``[fixations]``, the detector and its parameters; the default is the one that agrees best with experts."""

    detector: str = "adaptive"
    parameters: dict[str, Any] = {}
    cut: Cut = "keep"


class QualitySection(Section):
    """Hold ``[quality]``, thresholds of the verdict on a recording; one that is not set passes everything."""

    max_accuracy_deg: PositiveFloat | None = 1.0
    max_rms_s2s_deg: PositiveFloat | None = 0.5
    max_std_deg: PositiveFloat | None = None
    max_loss_percent: float | None = Field(default=25.0, ge=0, le=100)
    min_delivered_percent: float | None = Field(default=95.0, ge=0, le=100)
    max_clock_faults_percent: float | None = Field(default=1.0, ge=0, le=100)
    max_onset_error_ms: PositiveFloat | None = 50.0  # a picture that came so much too early or late has bad timing, ms
    max_shown_error_ms: PositiveFloat | None = 50.0
    max_frames_missed: int | None = Field(default=3, ge=0)
    max_bad_timing_percent: float | None = Field(default=5.0, ge=0, le=100)
