"""Which images go to which devices."""
import dataclasses
import pathlib

from programs import Failed

U_BOOT = pathlib.Path("/usr/lib/u-boot")
OPENSBI = pathlib.Path("/usr/lib/riscv64-linux-gnu/opensbi/generic")


@dataclasses.dataclass
class Image:
    hardware: str
    version: str
    file: pathlib.Path
    replaces: str  # what the devices run before
    security: bool = False

    @property
    def size(self):
        return self.file.stat().st_size


def debian_images():
    """Boot loaders that Debian ships, and the one that closes a hole in the last of them."""
    return [Image("qemu-arm64", "2023.01", U_BOOT / "qemu_arm64/u-boot.bin", "2022.10"),
            Image("qemu-x86-64", "2023.01", U_BOOT / "qemu-x86_64/u-boot.rom", "2022.10"),
            Image("opensbi", "1.1", OPENSBI / "fw_dynamic.bin", "1.0"),
            Image("qemu-riscv64", "2023.01", U_BOOT / "qemu-riscv64/u-boot.bin", "2022.10"),
            Image("qemu-riscv64", "2023.01-smode", U_BOOT / "qemu-riscv64_smode/u-boot.bin", "2022.10", security=True)]


def own_images(files):
    """The last file, or the only one once more, is the security upgrade."""
    routine = files[:-1] or files
    images = [Image("own", f"1.{number}.0", pathlib.Path(file), "1.0.0") for number, file in enumerate(routine, 1)]
    return [*images, Image("own", f"1.{len(files) + 1}.0", pathlib.Path(files[-1]), "1.0.0", security=True)]


def choose(files):
    """(routine images, the security one)"""
    images = own_images(files) if files else debian_images()
    for image in images:
        if not image.file.is_file():
            raise Failed(f"{image.file} is missing: are the packages u-boot-qemu and opensbi installed?")
    return images[:-1], images[-1]
