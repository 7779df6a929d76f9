"""Packaging: ``edgemem`` here, and every package under ``targets/`` as a plug-in."""

import sys
from pathlib import Path

from setuptools import find_packages, setup

TARGETS = find_packages("targets")
NAMES = sorted(name for name in TARGETS if "." not in name)

# ai-edge-litert has no wheels of 32 bits; tflite-runtime has, up to Python 3.11, and breaks under
# numpy 2. Where a kernel of 64 bits runs a system of 32, as Raspberry Pi OS may, the marker says
# aarch64: there the Python that installs from this folder knows.
OLD = "sys_platform == 'linux' and (platform_machine == 'armv7l' or platform_machine == 'armv8l')"
NEW = "sys_platform != 'linux' or (platform_machine != 'armv7l' and platform_machine != 'armv8l')"
if sys.maxsize < 2**32:
    OLD, NEW = "sys_platform == 'linux'", "sys_platform != 'linux'"

# A part of the device install; an extra as well, so that a message can name it where it is gone.
TFLITE = [f"tflite-runtime==2.14.0; {OLD}", f"ai-edge-litert>=2.1; {NEW}"]
CONVERT = ["flatbuffers>=23.5", "tflite==2.18.0"]
AUDIO = ["soundfile>=0.12,<1", "soxr>=0.3.7,<2"]
SYNTH = ["espeakng-loader==0.2.4", "scipy>=1.10,<2"]
PLOT = ["matplotlib>=3.7,<4"]
QUANTIZE = ["optuna==5.0.0", *PLOT]
# Trials of many trainings, on one machine or on a Dask cluster. What trains needs TRAIN as well.
SWEEP = ["distributed>=2024.8,<2027", *QUANTIZE]
NIR = ["nir==1.0.8"]
# Beside `edgemem listen`: PortAudio's microphones, an MQTT client, a live page.
MICROPHONE = ["sounddevice>=0.4.6,<0.6"]
MQTT = ["paho-mqtt>=2.0,<3"]
WEB = ["websockets>=13,<18"]
# Versions that training was tried with; edgemem/frameworks.py knows the same. NengoDL has
# a source distribution only, whose build asks for a setuptools that ends at Python 3.11: with a
# newer Python it is built first (errors.NENGO_DL), and here is what it needs.
TRAIN = [
    "tensorflow>=2.21,<2.22",
    "tf-keras>=2.21,<2.22",
    "nengo>=4.1,<4.2",
    "nengo-dl==3.6.0; python_version < '3.12' and sys_platform != 'win32'",
    "jinja2>=2.10.1",
    "packaging>=20",
    "progressbar2>=3.39",
    "scipy>=1.10,<2",
    "pillow>=10",
    *CONVERT,
    *AUDIO,
    *PLOT,
]
# NengoLoihi ends at NumPy 1 and names Nengo 3.2: an environment of its own, and no part of "test".
LOIHI = [
    "numpy>=1.23,<2",
    "nengo==3.2.0",
    "nengo-loihi==1.1.0",
    "scipy>=1.10,<1.16",
    # Nengo 3 imports distutils, which ended with Python 3.12
    "setuptools>=65.5; python_version >= '3.12'",
]
# What is tested with is in requirements/test.txt, with hashes; scripts/lock renews it.
TEST = [
    "pytest>=9,<10",
    "pytest-xdist>=3.8,<4",
    "hypothesis>=6.155,<7",
    "keras-lmu==0.9.0",
    "python_speech_features==0.6",
    "ruff>=0.17,<0.18",
    "mypy>=2,<3",
    "import-linter>=2.11,<3",
    "pyyaml>=6,<7",
    # to build NengoDL, and the wheel that the tests look into
    "setuptools>=68,<81",
    "wheel>=0.40",
]


def spoken(package: str) -> str:
    """The name that a person types for a target's package."""
    return package[len("edgemem_") :].replace("_", "-")


setup(
    # edgemem is the name of another project on PyPI
    name="edgemem-toolkit",
    version="0.1.0",
    description="Recurrent memory networks (LMU, LEM) from training to the device",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.9",
    classifiers=[
        "Programming Language :: Python :: 3",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(9, 15)),
    ],
    install_requires=[
        "click>=8.1",
        f"numpy>=1.23,<2; {OLD}",
        f"numpy>=1.23.2; {NEW}",
        *TFLITE,
        # a rule file for `edgemem listen`; the standard library reads TOML from Python 3.11 on
        "tomli>=2; python_version < '3.11'",
    ],
    extras_require={
        "train": TRAIN,
        "tflite": TFLITE,
        "convert": CONVERT,
        "audio": AUDIO,
        "synth": SYNTH,
        "plot": PLOT,
        "quantize": QUANTIZE,
        "sweep": SWEEP,
        "loihi": LOIHI,
        "nir": NIR,
        "microphone": MICROPHONE,
        "mqtt": MQTT,
        "web": WEB,
        "test": [
            *TRAIN,
            *SYNTH,
            *QUANTIZE,
            *SWEEP,
            *NIR,
            *MICROPHONE,
            *MQTT,
            *WEB,
            *TEST,
        ],
    },
    packages=[*find_packages(include=["edgemem", "edgemem.*"]), *TARGETS],
    package_dir={"edgemem": "edgemem", **{name: f"targets/{name}" for name in NAMES}},
    package_data={
        "": ["py.typed", "*.md"],
        "edgemem.pretrained": ["*.model", "*.tflite", "*.md"],
        "edgemem.energy": ["*.json"],
        "edgemem.listen": ["*.html", "*.js", "*.css"],
        "edgemem_c": ["templates/*.in"],
    },
    entry_points={
        "console_scripts": ["edgemem = edgemem.cli:main"],
        "edgemem.targets": [f"{spoken(name)} = {name}:TARGET" for name in NAMES],
    },
)
