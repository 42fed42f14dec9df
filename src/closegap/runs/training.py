"""What a run is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, TypedDict

from closegap.bounds import Decay, NonNegativeInt, PositiveFloat, PositiveInt, Rate, Share, ShareBelowOne, Workers
from closegap.checked import check_fields
from closegap.errors import UsageError


class ByClassPath(TypedDict):
    """A class of a library, which whoever only reads configs does not import, and its arguments."""

    class_path: str
    init_args: NotRequired[dict[str, Any]]


@dataclass(frozen=True)
class Training:
    """How a model is trained.

    Args:
        epochs: passes over the training cases; `steps` overrides it.
        steps: number of optimisation steps; 0 leaves the model as it starts.
        batch_size: cases per step, over all processes.
        micro_batch: cases of a process that are embedded with a graph at once, for a `batch_size` that memory would not
            hold; the gradient stays that of the whole batch. null embeds a process's cases together.
        lr: peak learning rate of heads, temperature and loss parameters, and of towers without their own.
        tower_lr: modality name to its tower's peak learning rate.
        weight_decay: of matrices; vectors and scalars are not decayed.
        betas: averaging constants, of an optimizer that takes them.
        warmup: share of the steps over which the rate rises, of a schedule that takes it; the default one rises
            linearly and then falls to 0 along a cosine.
        optimizer: any of torch's or timm's by class path. It gets groups of parameters with their rates and decays, and
            `betas` and `fused` where it takes them.
        schedule: of the learning rate, any of torch's or timm's that goes by steps. It gets `steps` and `warmup` where
            it takes them, and starts from each group's own rate.
        clip_norm: largest norm of the gradient.
        precision: bf16 runs towers and heads under autocast, frozen towers' features included; losses stay in float32.
        shuffle_window: shuffle the cases of so many at a time, and blocks of a 32nd of it over the whole epoch, so that
            shards are read almost in order; null shuffles all cases at once.
        balance: how evenly combinations of modalities are drawn: 0 as often as cases have them, 1 all alike, whatever
            their numbers; what is in between keeps rare ones from starving without wearing their cases out.
        workers: processes that prepare inputs; 0 prepares in the training process.
        mask_groups: cases of one group (article, patient) are not each other's negatives.
        cache_features: keep outputs of frozen towers, and of the frozen blocks before trained ones, on disk.
        half_activations: keep the latter in float16.
        shard: keep parameters, gradients and optimiser state in parts, one on each process (FSDP2), for models that one
            device cannot train; one process trains as ever.
        keep_images: hold the prepared images of trained towers in memory and on disk, for data sets that fit there.
        validate_every: steps between validations; null: once an epoch.
        checkpoint_every: steps between checkpoints; null: once an epoch.
        keep: "best" evaluates the checkpoint with the best `select`, "last" the last one.
        select: validation metric that picks the best checkpoint: a recall at its highest, a gap at its lowest.
        trackers: also log to these ("tensorboard", "wandb").
        show_cases: whether pages of the run show cases: ids, labels, images, texts.
    """

    epochs: PositiveInt = 30
    steps: NonNegativeInt | None = None
    batch_size: PositiveInt = 256
    micro_batch: PositiveInt | None = None
    lr: Rate = 1e-3
    tower_lr: dict[str, Rate] = field(default_factory=dict)
    weight_decay: Decay = 0.1
    betas: tuple[ShareBelowOne, ShareBelowOne] = (0.9, 0.98)
    warmup: Share = 0.05
    optimizer: ByClassPath = field(default_factory=lambda: ByClassPath(class_path="torch.optim.AdamW"))
    schedule: ByClassPath = field(
        default_factory=lambda: ByClassPath(class_path="closegap.training.schedule.WarmupCosine")
    )
    clip_norm: PositiveFloat = 1.0
    precision: Literal["no", "bf16"] = "no"
    shuffle_window: PositiveInt | None = None
    balance: Share = 0.0
    workers: Workers = 0
    mask_groups: bool = True
    cache_features: bool = True
    half_activations: bool = True
    keep_images: bool = False
    shard: bool = False
    validate_every: PositiveInt | None = None
    checkpoint_every: PositiveInt | None = None
    keep: Literal["best", "last"] = "best"
    select: str = "R@10"
    trackers: list[Literal["tensorboard", "wandb"]] = field(default_factory=lambda: ["tensorboard"])
    show_cases: bool = True

    def __post_init__(self) -> None:
        check_fields(self)
        if self.balance and self.shuffle_window is not None:
            raise UsageError(
                f"train.balance: {self.balance:g} and train.shuffle_window: {self.shuffle_window} given; combinations "
                "are drawn from all over the cases, so leave one of them out"
            )


def plain(value: Any) -> Any:
    """Mappings, lists and scalars alone, as JSON and YAML have them."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
