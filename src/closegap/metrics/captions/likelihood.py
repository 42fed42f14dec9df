"""The figures of how likely a decoder finds the true captions."""

from dataclasses import replace

from closegap.metrics.figure import Figure

LOG_LIKELIHOOD = Figure(
    "log_likelihood",
    "Log-likelihood",
    "Captions",
    "higher",
    meaning="Mean log-probability of a token of the true captions, in nats; at most 0.",
)

LOG_LIKELIHOOD_FROM_TEXT = replace(
    LOG_LIKELIHOOD,
    name="log_likelihood_from_text",
    label="Log-likelihood from text",
    meaning="The same with the decoder reading embeddings of the captions in place of images.",
)
