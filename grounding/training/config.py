"""The configuration of a training run: what can be set, the defaults, and the check of all of it before a model loads.

`python scripts/train.py --cfg job --resolve` prints what a command line amounts to. The groups `objective`, `trainer`
and `marker` follow the chosen `model` unless they are named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

from grounding.core import UserError, UserErrors
from grounding.core.checks import LARGEST, plain, unknown
from grounding.curriculum.difficulty import DifficultyConfig, check_difficulty
from grounding.curriculum.reflection import ReflectionConfig, check_reflection
from grounding.curriculum.server import check_url
from grounding.curriculum.table import CURRICULA, CurriculumConfig, check_curriculum, curriculum_of
from grounding.tasks.asking import Asking
from grounding.tasks.table import REPEATING, ROOMS, TASKS
from grounding.tasks.task import Task
from grounding.training.data import DATA, DataConfig, RoomsConfig, ToyConfig, check_data
from grounding.training.objectives import OBJECTIVES, ROLLOUTS
from prompting import IdMarker
from rewards import PRESETS, WeightedSum

IMPORTANCE = ("token", "sequence")
SAVED = "tubelet.yaml"  # in the folder of a trained policy: the configuration of the run that made it
SCALES = ("group", "batch", "none")
LOGGERS = ("tensorboard", "wandb", "trackio")
SCHEDULERS = (  # those of transformers' that need no more than a number of steps
    *("linear", "cosine", "cosine_with_restarts", "polynomial"),
    *("constant", "constant_with_warmup", "inverse_sqrt"),
)
# Beyond what any run asks for: a slip of the keyboard must not ask for all memory, or for a thousand processes.
MOST = {
    "model.lora_rank": 10_000,
    "model.max_new_tokens": 1_000_000,
    "objective.generations": 10_000,
    "objective.iterations": 10_000,
    "objective.dynamic_sampling": 1_000,
    "trainer.max_steps": 10_000_000,
    "trainer.prompts": 10_000,
    "trainer.eval_batch": 10_000,
    "trainer.save_steps": 10_000_000,
    "trainer.keep": 1_000_000,
    "trainer.workers": 256,
    "warmup.max_steps": 10_000_000,
    "warmup.batch": 10_000,
    "agent.batch": 10_000,
    "sft.max_steps": 10_000_000,
    "sft.videos": 10_000,
    "sft.questions": 10_000,
}
POSITIONS = ("trained", "transformers")
ATTENTIONS = ("sdpa", "eager", "flash_attention_2", "flash_attention_3")


@dataclass
class TaskConfig:
    """What is asked, and how answers are rewarded."""

    name: str = "stvg"
    rewards: str = "tubelet"  # a preset of rewards.PRESETS; stvg_r1 is the paper's sum
    weights: dict[str, float] = field(default_factory=dict)  # overrides weights of the preset, or adds rewards


@dataclass
class ModelConfig:
    """Which policy."""

    name: str = "tiny"
    path: str | None = None  # a folder or hub name; None builds the tiny policy
    prompt: str = "short"  # how much instruction the model needs: full or short
    dtype: str = "float32"  # of weights that are not trained; those that are have float32, see trainer.bf16
    attention: str = "sdpa"  # of the vision tower, by transformers' name; the language model has its own
    positions: str = "trained"  # of text after a video: as Qwen2.5-VL was trained, or as transformers 5.3 and later
    lora_rank: int = 0  # 0: full fine-tuning
    freeze_vision: bool = False  # in every stage but the warm-up
    features_ram_gb: float = 4.0  # of a frozen tower's features, kept in memory for when their videos come again
    features_disk_gb: float = 0.0  # and in the run folder; 0 keeps none there
    max_new_tokens: int = 48  # of a completion, in training and in evaluation


@dataclass
class ObjectiveConfig:
    """GRPO; every field of TRL that changes meaning is pinned here."""

    name: str = "tiny"
    loss: str = "grpo"  # which of grounding.training.objectives.OBJECTIVES
    rollout: str = "one_turn"  # how completions come about, which of grounding.training.objectives.ROLLOUTS
    generations: int = 8  # G, completions a prompt
    beta: float = 0.0  # weight of the KL term
    epsilon: float = 0.2  # how far the ratio of new to old probability may move, downwards
    epsilon_high: float | None = None  # and upwards (DAPO, CISPO); None: as far as downwards
    importance: str = "token"  # the ratio is of each token, or of the whole sequence (GSPO, LUSPO)
    iterations: int = 1
    scale_rewards: str = "group"
    dynamic_sampling: int = 0  # rounds in which other samples replace groups without variance (DAPO); 0 for none
    temperature: float = 1.0
    top_p: float = 1.0
    lr: float = 3e-4
    scheduler: str = "linear"
    weight_decay: float = 0.0
    clip: float = 1.0  # largest gradient norm


@dataclass
class MarkerConfig:
    """How IDs are drawn."""

    style: str = "outline"
    size: float | None = None  # pixels at the model's size; None: fitted to the object


@dataclass
class TrainerConfig:
    """How long and how large."""

    max_steps: int = 120
    prompts: int = 16  # prompts (groups) an optimizer step
    groups_per_pass: int = 16  # groups in one forward and backward pass; divides `prompts`, changes memory only
    save_steps: int = 0  # a checkpoint every so many steps of each stage, to resume from; 0: none
    keep: int = 2  # checkpoints that stay: the last so many, and the one with the highest mean reward of its steps
    eval_batch: int = 64
    gradient_checkpointing: bool = False  # computes activations again in the backward pass: less memory, more time
    workers: int = 0  # processes that read, draw and resize videos ahead of the step; 0 does it in the step
    bf16: bool = False  # computes the step in bfloat16 (autocast); the trained weights stay float32
    report_to: list[str] = field(default_factory=lambda: ["tensorboard"])  # also wandb, trackio; [] for none
    dry_run: bool = False  # check model, data and prompt fit, train nothing


@dataclass
class WarmupConfig:
    """The stage `warmup` of the tiny policy, see grounding/training/warmup.py; 0 steps leave it out."""

    max_steps: int | None = None  # of all lessons together; None: as many as the task's teaching says
    batch: int = 8
    lr: float = 2e-3


@dataclass
class SFTConfig:
    """The stage `sft`: supervised training on gold or given completions; all numbers are ours."""

    max_steps: int = 200
    videos: int = 8  # videos an optimizer step
    videos_per_pass: int = 1  # videos in one forward and backward pass; divides `videos`, changes memory only
    questions: int = 8  # most questions about a video that are answered in one row
    lr: float = 1e-5  # the tiny policy learns with 1e-3
    scheduler: str = "cosine"
    weight_decay: float = 0.0
    clip: float = 1.0  # largest gradient norm


@dataclass
class AgentConfig:
    """Who judges training samples in the stages `reflect` and `difficulty`, and how replies are drawn."""

    url: str | None = None  # of an OpenAI-compatible server; None: the policy itself, as it is at that stage
    model: str = ""  # its name there
    temperature: float = 1.0
    top_p: float = 1.0
    batch: int = 16  # requests at a time
    store: str | None = None  # the file that keeps replies, which runs may share; None: replies.jsonl of the run


@dataclass
class Config:
    """A training run."""

    defaults: list[Any] = field(
        default_factory=lambda: [
            "_self_",
            {"task": "stvg"},
            {"data": "toy"},
            {"model": "tiny"},
            {"objective": "${model}"},
            {"trainer": "${model}"},
            {"marker": "${model}"},
            {"curriculum": "uniform"},
        ]
    )
    task: TaskConfig = MISSING
    data: DataConfig = MISSING
    model: ModelConfig = MISSING
    objective: ObjectiveConfig = MISSING
    trainer: TrainerConfig = MISSING
    warmup: WarmupConfig = field(default_factory=WarmupConfig)
    sft: SFTConfig = field(default_factory=SFTConfig)
    agent: AgentConfig = field(default_factory=AgentConfig)
    reflection: ReflectionConfig = field(default_factory=ReflectionConfig)
    difficulty: DifficultyConfig = field(default_factory=DifficultyConfig)
    marker: MarkerConfig = MISSING
    experiment: str | None = None  # a paper, whose choices come before those of the command line
    stages: list[str] | None = (
        None  # of warmup, reflect, difficulty, sft and grpo; None: warmup and grpo, or grpo for a model with a path
    )
    curriculum: CurriculumConfig = field(default_factory=CurriculumConfig)
    seed: int = 0
    out: str | None = None  # the run folder; None: runs/<task>/<time>
    resume: str | None = None  # latest: go on in `out` where its run was stopped, or start there if it was not begun


# The numbers of STVG-R1's script and of the TRL version it pins; completions of up to 1024 tokens.
STVG_R1 = ObjectiveConfig(name="stvg_r1", beta=0.04, lr=1e-6, scheduler="linear")
QWEN = ModelConfig(
    name="qwen2_5_vl", path="Qwen/Qwen2.5-VL-7B-Instruct", prompt="full", dtype="bfloat16", max_new_tokens=1024
)

GROUPS: dict[str, dict[str, Any]] = {
    "task": {name: TaskConfig(name, task.rewards) for name, task in TASKS.items()},
    "data": DATA,
    "model": {"tiny": ModelConfig(freeze_vision=True), "qwen2_5_vl": QWEN},
    "objective": {"tiny": ObjectiveConfig, "qwen2_5_vl": STVG_R1, "stvg_r1": STVG_R1},
    "trainer": {
        "tiny": TrainerConfig,
        "qwen2_5_vl": TrainerConfig(
            max_steps=1000,
            prompts=8,
            groups_per_pass=1,
            save_steps=50,
            eval_batch=8,
            gradient_checkpointing=True,
            bf16=True,
        ),
    },
    "marker": {
        "tiny": MarkerConfig(style="badge", size=15.0),  # on its frames of 84 x 84 pixels
        "qwen2_5_vl": MarkerConfig,
        "outline": MarkerConfig,
        "badge": MarkerConfig(style="badge"),
        "digit": MarkerConfig(style="digit"),
    },
    "curriculum": {**CURRICULA},
}


def register() -> None:
    """Tell Hydra about every group; the primary config is called `config`."""
    store = ConfigStore.instance()
    for group, options in GROUPS.items():
        for name, node in options.items():
            made = OmegaConf.structured(node)
            if group == "task":
                OmegaConf.set_struct(made.weights, False)  # takes any key, without Hydra's +
            store.store(group=group, name=name, node=made)
    store.store(name="config", node=Config)


def as_yaml(config: Config) -> str:
    """Every option as text, without Hydra's list of defaults."""
    options = OmegaConf.to_container(OmegaConf.structured(config), resolve=True)
    return OmegaConf.to_yaml({name: value for name, value in options.items() if name != "defaults"})  # type: ignore[union-attr]


def weights_of(task: TaskConfig) -> dict[str, float]:
    """The weight of every reward: the preset with the overrides."""
    return {**PRESETS[task.rewards], **task.weights}


def check(config: Config, processes: int = 1, *, shard: bool = False) -> None:
    """Refuse a configuration that cannot work, before any model loads.

    Args:
        config: What to check.
        processes: How many train together.
        shard: Whether each of them holds a part of the model only (FSDP, DeepSpeed).

    Raises:
        UserErrors: With every mistake, a line each.
    """
    errors = [*_check_task(config), *_check_numbers(config), *_check_choices(config)]
    errors += [*check_reflection(config.reflection), *check_difficulty(config.difficulty)]
    errors += _check_agent(config.agent)
    errors += _check_data(config)
    if config.trainer.prompts % processes:  # a group stays in one process
        errors.append(
            f"trainer.prompts must be a multiple of the {processes} processes, got {config.trainer.prompts}; "
            "or launch with another --num_processes"
        )
    if "sft" in (config.stages or ()) and config.sft.videos % processes:
        errors.append(
            f"sft.videos must be a multiple of the {processes} processes, got {config.sft.videos}; "
            "or launch with another --num_processes"
        )
    if shard and config.model.lora_rank:
        errors.append("model.lora_rank needs the whole model on each GPU; launch with scripts/accelerate/ddp.yaml")
    if config.out is not None and not config.out.strip():
        errors.append("out is empty; give out=DIR, or leave it out for runs/<task>/<time>")
    elif config.resume is not None and config.out is None:
        errors.append("out is missing; resume=latest needs out=DIR, the folder of the run to go on with")
    if errors:
        raise UserErrors(errors)


def asking_of(config: Config) -> Asking:
    """What a run shows and asks."""
    marker, changes = IdMarker(config.marker.style, config.marker.size), curriculum_of(config.curriculum).changes
    return Asking(task_of(config), config.model.prompt, marker, changes)


def task_of(config: Config) -> Task:
    """What a run asks, on the generated world that its data chooses, if it does."""
    return _asked(config.data)[1][config.task.name]


def _asked(data: DataConfig) -> tuple[str, Mapping[str, Task]]:
    """The tasks that there are for data, and how these are chosen."""
    if isinstance(data, RoomsConfig):
        return "data=rooms", ROOMS
    return ("data.repeats=true", REPEATING) if isinstance(data, ToyConfig) and data.repeats else ("", TASKS)


def _check_task(config: Config) -> list[str]:
    if config.task.name not in TASKS:  # it names the run folder
        return [unknown("task.name", config.task.name, TASKS)]
    if config.model.prompt not in (prompts := TASKS[config.task.name].prompts):
        return [unknown("model.prompt", config.model.prompt, prompts)]
    if config.task.rewards not in PRESETS:
        return [unknown("task.rewards", config.task.rewards, PRESETS)]
    try:
        weights = WeightedSum(weights_of(config.task)).weights
        IdMarker(config.marker.style, config.marker.size)
    except UserError as error:
        return [f"task.weights or marker: {error}"]
    return [] if any(weights.values()) else ["task.weights must leave a reward that weighs more than 0, got none"]


def _check_agent(agent: AgentConfig) -> list[str]:
    if not agent.url:
        return ["agent.model is of a server; give agent.url, too, or leave it out"] if agent.model else []
    errors = [] if agent.model else ["agent.model is missing; a server is asked for one of its models by name"]
    try:
        check_url(agent.url)
    except UserError as error:
        errors.append(f"agent.url: {error}")
    return errors


def _check_data(config: Config) -> list[str]:
    if config.task.name not in TASKS:
        return []
    chosen, tasks = _asked(config.data)
    if config.task.name not in tasks:
        return [f"{chosen} is for task={' or '.join(tasks)}, got task={config.task.name}; leave it out"]
    task = task_of(config)
    return [*check_data(config.data, task), *check_curriculum(config.curriculum, task)]


def _check_numbers(config: Config) -> list[str]:
    objective, trainer, warmup, sft = config.objective, config.trainer, config.warmup, config.sft
    high = objective.epsilon if objective.epsilon_high is None else objective.epsilon_high
    warmup_steps = 0 if warmup.max_steps is None else warmup.max_steps
    rules = [
        ("seed", config.seed, 0 <= config.seed < 2**31, "0 to 2^31 - 1"),
        ("model.lora_rank", config.model.lora_rank, config.model.lora_rank >= 0, "0 (full fine-tuning) or more"),
        ("model.features_ram_gb", config.model.features_ram_gb, config.model.features_ram_gb >= 0, "0 or more"),
        ("model.features_disk_gb", config.model.features_disk_gb, config.model.features_disk_gb >= 0, "0 or more"),
        ("model.max_new_tokens", config.model.max_new_tokens, config.model.max_new_tokens >= 1, "at least 1"),
        ("objective.generations", objective.generations, objective.generations >= 2, "at least 2, to compare answers"),
        ("objective.beta", objective.beta, objective.beta >= 0, "0 or more"),
        ("objective.epsilon", objective.epsilon, objective.epsilon > 0, "> 0"),
        ("objective.epsilon_high", high, high >= objective.epsilon, "at least objective.epsilon"),
        ("objective.iterations", objective.iterations, objective.iterations >= 1, "at least 1"),
        ("objective.dynamic_sampling", objective.dynamic_sampling, objective.dynamic_sampling >= 0, "0 (none) or more"),
        ("objective.temperature", objective.temperature, objective.temperature > 0, "> 0, to draw different answers"),
        ("objective.top_p", objective.top_p, 0 < objective.top_p <= 1, "in (0, 1]"),
        ("objective.lr", objective.lr, objective.lr > 0, "> 0"),
        ("trainer.max_steps", trainer.max_steps, trainer.max_steps >= 0, "0 or more"),
        ("trainer.prompts", trainer.prompts, trainer.prompts >= 1, "at least 1"),
        ("trainer.eval_batch", trainer.eval_batch, trainer.eval_batch >= 1, "at least 1"),
        ("trainer.save_steps", trainer.save_steps, trainer.save_steps >= 0, "0 (never) or more"),
        ("trainer.workers", trainer.workers, trainer.workers >= 0, "0 (none) or more"),
        ("trainer.keep", trainer.keep, trainer.keep >= 1, "at least 1"),
        ("objective.weight_decay", objective.weight_decay, objective.weight_decay >= 0, "0 (none) or more"),
        ("objective.clip", objective.clip, objective.clip >= 0, "0 (none) or more"),
        ("agent.temperature", config.agent.temperature, config.agent.temperature >= 0, "0 (the likeliest) or more"),
        ("agent.top_p", config.agent.top_p, 0 < config.agent.top_p <= 1, "in (0, 1]"),
        ("agent.batch", config.agent.batch, config.agent.batch >= 1, "at least 1"),
        ("warmup.max_steps", warmup_steps, warmup_steps >= 0, "0 (no warm-up) or more"),
        ("warmup.lr", warmup.lr, warmup.lr > 0, "> 0"),
        ("warmup.batch", warmup.batch, warmup.batch >= 1, "at least 1"),
        ("sft.max_steps", sft.max_steps, sft.max_steps >= 0, "0 (no such stage) or more"),
        ("sft.videos", sft.videos, sft.videos >= 1, "at least 1"),
        ("sft.questions", sft.questions, sft.questions >= 1, "at least 1"),
        ("sft.lr", sft.lr, sft.lr > 0, "> 0"),
        ("sft.weight_decay", sft.weight_decay, sft.weight_decay >= 0, "0 (none) or more"),
        ("sft.clip", sft.clip, sft.clip >= 0, "0 (none) or more"),
    ]
    wrong = [(name, value, rule) for name, value, right, rule in rules if not right]
    errors = [f"{name} must be {rule}, got {plain(value)}" for name, value, rule in wrong]
    known = [(name, value, MOST.get(name, LARGEST)) for name, value, right, _ in rules if right]
    errors += [f"{name} must be at most {most}, got {plain(value)}" for name, value, most in known if value > most]
    if trainer.groups_per_pass < 1 or trainer.prompts % trainer.groups_per_pass:
        errors.append(
            f"trainer.groups_per_pass must divide trainer.prompts ({plain(trainer.prompts)}), "
            f"got {plain(trainer.groups_per_pass)}"
        )
    if sft.videos_per_pass < 1 or sft.videos % sft.videos_per_pass:
        errors.append(
            f"sft.videos_per_pass must divide sft.videos ({plain(sft.videos)}), got {plain(sft.videos_per_pass)}"
        )
    refresh = config.curriculum.select.refresh
    if objective.iterations >= 1 and refresh % objective.iterations:
        errors.append(
            f"curriculum.select.refresh must be a multiple of objective.iterations ({objective.iterations}), "
            f"got {plain(refresh)}"
        )
    if objective.iterations >= 1 and trainer.save_steps % objective.iterations:
        errors.append(  # the samples of a generation are not saved, so a checkpoint lies between two of them
            f"trainer.save_steps must be a multiple of objective.iterations ({objective.iterations}), "
            f"got {plain(trainer.save_steps)}"
        )
    if objective.dynamic_sampling and objective.scale_rewards == "batch":
        errors.append("objective.scale_rewards must be group or none with objective.dynamic_sampling, got batch")
    if trainer.bf16 and config.model.dtype == "float16":  # the two kinds of 16 bits do not mix
        errors.append("model.dtype must be bfloat16 or float32 with trainer.bf16, got float16")
    return errors


def _check_choices(config: Config) -> list[str]:
    choices: list[tuple[str, str, Any]] = [
        ("model.name", config.model.name, GROUPS["model"]),
        ("model.dtype", config.model.dtype, ("float32", "bfloat16", "float16")),
        ("model.attention", config.model.attention, ATTENTIONS),
        ("model.positions", config.model.positions, POSITIONS),
        ("objective.loss", config.objective.loss, OBJECTIVES),
        ("objective.rollout", config.objective.rollout, ROLLOUTS),
        ("objective.scheduler", config.objective.scheduler, SCHEDULERS),
        ("sft.scheduler", config.sft.scheduler, SCHEDULERS),
        ("objective.importance", config.objective.importance, IMPORTANCE),
        ("objective.scale_rewards", config.objective.scale_rewards, SCALES),
        *[("trainer.report_to", name, LOGGERS) for name in config.trainer.report_to],
        *([("resume", config.resume, ("latest",))] if config.resume is not None else []),
    ]
    missing = [name for name in config.trainer.report_to if name in LOGGERS and find_spec(name) is None]
    return [
        *[unknown(name, value, known) for name, value, known in choices if value not in known],
        *[f"trainer.report_to=[{name}] needs {name}; pip install {name}, or leave it out" for name in missing],
    ]
