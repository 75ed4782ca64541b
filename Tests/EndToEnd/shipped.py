"""The configuration under which every SDK meets the gateway: the shipped policies, bound as Config/tidegate.yaml binds them."""

from gateway import cluster, configuration

WORDS = {"colour": "color", "grey": "gray", "favourite": "favorite"}
MODELS = ["echo*", "lorem*", "scripted*", "tool-call*", "reasoning*", "rate-limited*", "overloaded*", "status-*", "embed*"]


def shipped(*endpoints, **more):
    """The policies of Config/tidegate.yaml; a header asks for a tight rate limit, which is the binding `tight`."""
    return configuration(
        clusters=[cluster("engine", *endpoints, dialect=["openai", "anthropic"])],
        models=[{"id": "echo", "cluster": "engine"}, {"id": "lorem", "cluster": "engine"},
                {"id": "demo", "cluster": "engine", "model": "echo"},
                *({"id": glob, "cluster": "engine"} for glob in MODELS)],
        policies=[
            {"use": "api-keys", "config": {"keys": "keys.yaml"}},
            {"use": "rate-limit", "config": {"rate": 100_000, "per": "1m", "burst": 10_000}},
            {"use": "rate-limit", "as": "tight", "when": {"header": {"x-tight": "*"}},
             "config": {"rate": 1, "per": "1s", "burst": 1}},
            {"use": "model-router", "config": {"rules": [{"model": "demo", "to": [{"model": "echo"}]}]}},
            {"use": "prompt-template", "config": {"system": {"default": "Answer in plain words."}}},
            {"use": "word-filter", "config": {"words": WORDS, "ignore_case": True}},
        ], **more)
