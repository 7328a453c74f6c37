"""`esc upscale -`: one picture from bytes to bytes, for pipes."""

from __future__ import annotations

from esc_cli.media.decode import decode
from esc_cli.media.encode import encode
from esc_cli.media.formats import plan_output
from esc_cli.tasks.models import Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.network_choice import decided
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.picture import PictureUpscaler


def upscale_bytes(content: bytes, options: UpscaleOptions, stop: Stop) -> bytes:
    """The file that a picture file becomes, in its own format or `options.format`.

    Raises the errors of decoding, the engine and encoding, and StoppedError.
    """
    picture = decode(content, options.max_pixels, options.video.allow_truncated)
    header = picture.header
    models = Models(options.model, options.engine, options.supply, options.denoise)
    size = options.target.size(header.width, header.height, models.default_scale)
    factor = max(size[0] / header.width, size[1] / header.height)
    plan = plan_output(header, size, options.format, "")
    upscaler = None
    if factor > 1:
        upscaler = models.upscaler(decided(models.choose(factor), content, picture))
    result = PictureUpscaler(upscaler, size, stop.check).run(picture)
    return encode(result, plan, options.quality)
