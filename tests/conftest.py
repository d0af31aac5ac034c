"""What holds for every test: no example is judged by how long it takes."""

from hypothesis import HealthCheck, settings

import pipeline  # noqa: F401 (pins the environment before a test imports TensorFlow)

settings.register_profile(
    "unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")
