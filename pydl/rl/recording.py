"""record: an episode as a film, made without a screen."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .environments import Environments, SingleEnvironments, VectorEnvironments, missing

Array = NDArray[Any]


def record(
    policy: Callable[[Array], Array], environments: Environments, max_steps: int = 2000
) -> tuple[list[Array], list[float]]:
    """Plays the episodes of one environment and keeps what is to be seen.

    Args:
        policy: observations (1, ...) to actions (1,).
        environments: one, with a limit, made with ``render_mode="rgb_array"``; a game of the Arcade
            Learning Environment, which cannot be rendered, shows the newest frame it observes.
        max_steps: no more than so many pictures.

    Returns:
        Pictures, uint8 (H, W, 3), and the sum of rewards of each episode.

    Raises:
        ValueError: there are several environments, or no limit.
    """
    if environments.num_envs != 1 or environments.limit is None:
        raise ValueError("record: expected one environment with a limit of episodes")
    frames, totals = [picture(environments)], []
    while not environments.resting and len(frames) < max_steps:
        environments.step(policy(environments.observation))
        totals += [episode.total for episode in environments.finished]
        frames.append(picture(environments))
    return frames, totals


def picture(environments: Environments) -> Array:
    """What the first environment looks like, uint8 (H, W, 3); small ones are enlarged."""
    if isinstance(environments, VectorEnvironments):
        seen = environments.observation[0]
        frame = np.repeat(seen[-1][..., None], 3, 2) if seen.ndim == 3 else seen[-1]
    else:
        assert isinstance(environments, SingleEnvironments)
        frame = np.asarray(environments.envs[0].render())
    if frame.dtype.kind == "f":  # MinAtar's colours are in [0, 1]
        frame = np.round(255 * frame).astype(np.uint8)
    times = max(1, 320 // frame.shape[0])
    return frame.repeat(times, 0).repeat(times, 1)


def save_animation(
    path: str | os.PathLike[str], frames: Sequence[Array], fps: float = 30, width: int = 320
) -> list[Path]:
    """Writes pictures as an animated GIF, and as MP4 too where imageio-ffmpeg is installed.

    Args:
        path: of the GIF; the MP4 has the same name but for its end.
        frames: uint8 (H, W, 3).
        fps: pictures a second; a GIF has 50 at most, and leaves some out for more.
        width: of the GIF, in pixels, where the pictures are wider.

    Returns:
        The files.

    Raises:
        ImportError: Pillow is missing.
        ValueError: there is no picture.
    """
    if not frames:
        raise ValueError("save_animation: there are no frames")
    if importlib.util.find_spec("PIL") is None:
        raise missing("pillow", "rl")
    from PIL import Image

    path, step = Path(path), max(1, round(fps / 30))
    size = (width, round(width * frames[0].shape[0] / frames[0].shape[1]))
    small = [Image.fromarray(f) for f in frames[::step]]
    if frames[0].shape[1] > width:
        small = [image.resize(size, Image.Resampling.BILINEAR) for image in small]
    # One palette for all pictures: what does not move stays the same, and takes no space.
    palette = small[len(small) // 2].quantize(64, dither=Image.Dither.NONE)
    small = [i.quantize(palette=palette, dither=Image.Dither.NONE) for i in small]
    times = [round(1000 * step / fps)] * (len(small) - 1) + [1000]
    small[0].save(path, save_all=True, append_images=small[1:], duration=times, loop=0)
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        return [path]
    film = path.with_suffix(".mp4")
    write_film(film, frames, fps)
    return [path, film]


def write_film(path: Path, frames: Sequence[Array], fps: float) -> None:
    """Writes an MP4 file with the ffmpeg that imageio-ffmpeg brings."""
    import imageio_ffmpeg

    height, width = frames[0].shape[0] // 2 * 2, frames[0].shape[1] // 2 * 2  # H.264 wants even
    film = imageio_ffmpeg.write_frames(
        str(path), (width, height), fps=fps, macro_block_size=1, ffmpeg_log_level="error"
    )
    film.send(None)
    for frame in frames:
        film.send(np.ascontiguousarray(frame[:height, :width]))
    film.close()
