"""The network of an image entry by name: a U-Net or a transformer on patches, in no, one or two times."""

from jaxgen.nets import Net, dit, unet

NETWORKS = ("unet", "dit")


def image_network(name: str, channels: int, num_times: int, width: int, depth: int, dtype: str | None = None, remat: bool = False) -> Net:
    """`unet` of `width` channels and `depth` blocks a resolution, or `dit` of three times both. ValueError for another name."""
    if name == "unet":
        return unet(channels, num_times=num_times, width=width, depth=depth, dtype=dtype, remat=remat)
    if name != "dit":
        raise ValueError(f"network={name!r}; accepted: {', '.join(NETWORKS)}.")
    return dit(channels, num_times=num_times, width=12 * -(-width // 4), depth=3 * depth, num_heads=3, dtype=dtype, remat=remat)
