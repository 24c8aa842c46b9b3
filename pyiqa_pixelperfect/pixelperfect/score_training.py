"""Stage 2 of training: ranked sets are described by the frozen maps, then the score network learns from them."""

import json
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from pyiqa_pixelperfect.backbones import seeded_weights
from pyiqa_pixelperfect.data.crops import CropDataset, StepSampler, crop_loader
from pyiqa_pixelperfect.distortions.catalog import KINDS
from pyiqa_pixelperfect.distortions.counter import planned_seeds
from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.distortions.ranked import ranked_sets
from pyiqa_pixelperfect.pictures import return_memory
from pyiqa_pixelperfect.pixelperfect.config import EngineConfig
from pyiqa_pixelperfect.pixelperfect.consensus import consensus_ranks, judge_versions, load_teachers
from pyiqa_pixelperfect.pixelperfect.described import DescribedSets, describe_maps, describe_pictures, join_sets
from pyiqa_pixelperfect.pixelperfect.description_files import DescribedBatch, settings_tag
from pyiqa_pixelperfect.pixelperfect.map_network import DistortionMapNet
from pyiqa_pixelperfect.pixelperfect.run import Run
from pyiqa_pixelperfect.pixelperfect.score_network import RelationalScoreNet
from pyiqa_pixelperfect.pixelperfect.score_stage import ScoreStage
from pyiqa_pixelperfect.training.guards import check_finite
from pyiqa_pixelperfect.training.logbook import FINAL
from pyiqa_pixelperfect.training.schedule import warmup_cosine

__all__ = ["train_score"]

_STREAM_ORDER = 120
_SEVERITY_SPEED = 5.0  # of the learning rate: its weights pass through an exponential, and have far to go


def train_score(run: Run, maps: DistortionMapNet, score: RelationalScoreNet) -> dict[str, float]:
    """Train the score network, in place.

    Every process describes its share of the sets; the first one alone learns from all of them, which takes so little
    time that there is nothing to share.

    Args:
        run: the training run.
        maps: the trained map network, in evaluation mode.
        score: with its initial weights.

    Returns:
        The final figures of both networks on held-out photos; empty on all processes but the first.

    Raises:
        DataError: the sets that another process described are not to be found.
        TrainingDivergedError: losses, gradients or weights became non-finite.
    """
    config = run.config.score
    run.processes.share(maps)  # batch statistics differ between processes, and one network has to describe all
    sets = _described(run, maps)
    if not run.processes.first:
        return {}
    # Dropout draws from torch's own generators: seeded here, and given back as they were.
    with seeded_weights(run.config.seed):
        _learn(run, score.train(), sets.to(run.processes.device))
    score.eval()
    figures = {f"maps_{name}": value for name, value in run.held_out.map_figures(maps).items()}
    figures["score_ordered"] = run.held_out.ordered(maps, score, _sources(run)[0].engine)
    run.logbook.write(run.config.maps.steps + config.steps, FINAL, **figures)
    return figures


@dataclass(frozen=True)
class _Source:
    """Where ranked sets come from.

    Attributes:
        engine: draws their ladders.
        kadis: chance that the last ladder of a crop is one of KADIS-700k.
        batches: numbers of the batches; those of other sources differ, and crops with them.
        settings: all that the descriptions depend on, beside the maps.
    """

    engine: DistortionEngine
    kadis: float
    batches: range
    settings: str


def _sources(run: Run) -> list[_Source]:
    config = run.config.score
    main = config.engine or run.config.engine
    parts = [(main, config.kadis, config.crops), *((part.engine, 0.0, part.crops) for part in config.further)]
    sources: list[_Source] = []
    for engine, kadis, crops in parts:
        first = sources[-1].batches.stop if sources else 0
        batches = range(first, first + crops // config.photos)
        settings = _settings(run, engine, kadis)
        sources.append(_Source(DistortionEngine(engine.settings()), kadis, batches, settings))
    return sources


def _described(run: Run, maps: DistortionMapNet) -> DescribedSets:
    """Describe the sets that are not described yet, batch by batch, and read all of them."""
    config, data, processes = run.config.score, run.config.data, run.processes
    folder = run.config.output / "described"
    folder.mkdir(parents=True, exist_ok=True)
    batches = []
    for source in _sources(run):
        tags = settings_tag(source.settings), settings_tag(source.settings, maps)
        batches += [(source, DescribedBatch(folder, number, *tags)) for number in source.batches]
    missing = [(source, batch) for source, batch in batches if any(batch.missing)]
    past = DistortionEngine(config.past.settings()) if config.past else None
    teachers = load_teachers(config.teachers) if config.weight_consensus else []
    dataset = CropDataset(run.photos, config.crop, data.smallest_scale, run.config.seed)
    processes.wait()  # or a fast process would write what a slow one still looks for
    run.logbook.stage("described sets", len(batches), len(batches) - len(missing))
    for source, batch in missing[processes.rank :: processes.world]:
        sampler = StepSampler(batch.number, batch.number + 1, config.photos)
        numbers, crops = next(crop_loader(dataset, sampler, data.workers))
        clean = crops.to(processes.device).float() / 255.0
        sets = ranked_sets(
            source.engine,
            clean,
            numbers.numpy(),
            rungs=config.rungs,
            ladders=config.ladders,
            past=past,
            kadis=source.kadis,
            seed=run.config.seed,
        )
        pictures, found = batch.missing
        batch.keep(
            describe_pictures(sets, judge_versions(sets, teachers)) if pictures else None,
            describe_maps(maps, sets) if found else None,
        )
        return_memory()
        for _ in range(processes.world):
            run.logbook.advance("described sets")
    processes.wait()
    return join_sets(batch.sets() for _, batch in batches)


def _settings(run: Run, engine: EngineConfig, kadis: float) -> str:
    """All that the descriptions of a source depend on, beside the maps."""
    config = run.config
    score = config.score.model_dump(include={"photos", "crop", "rungs", "ladders", "past", "teachers"})
    rest = config.model_dump(include={"seed", "data"}, mode="json")
    catalog = [] if engine.kinds else list(KINDS)  # the whole of it, which may have grown since the last version
    judged = bool(config.score.weight_consensus)
    parts = [score, engine.model_dump(), kadis, rest, catalog, run.identity["photos"], judged]
    return json.dumps(parts, sort_keys=True)


def _learn(run: Run, score: RelationalScoreNet, sets: DescribedSets) -> None:
    config, offset = run.config.score, run.config.maps.steps
    badness = consensus_ranks(sets.judged) if config.weight_consensus else None
    score.standardize(sets.pairs(), sets.clean)
    stage = ScoreStage(score, config)
    # Weights of the severity are made positive, so decay would not make them small.
    severity = list(score.severity_network.parameters())
    verdict = [weight for name, weight in score.named_parameters() if not name.startswith("severity_network.")]
    groups = [{"params": verdict, "weight_decay": config.weight_decay}, {"params": severity, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate)
    speeds = (1.0, _SEVERITY_SPEED)
    order = _Order(run.config.seed, len(sets))
    run.logbook.stage("score", config.steps, 0)
    for step in range(config.steps):
        rate = config.learning_rate * warmup_cosine(step, config.steps, config.warmup)
        for group, speed in zip(optimizer.param_groups, speeds, strict=True):
            group["lr"] = speed * rate
        couples = order.couples(step * config.batch, config.batch).to(sets.judged.device)
        losses = stage(sets.rows(couples), None if badness is None else badness[couples])
        optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        norm = nn.utils.clip_grad_norm_(stage.parameters(), config.clip).item()
        numbers = {name: part.item() for name, part in losses.items()}
        if run.guard.accept(offset + step, numbers["loss"], norm):
            optimizer.step()
        run.logbook.advance(f"score loss {numbers['loss']:.4f}")
        if step % run.config.log_every == 0:
            details = numbers | {"rate": rate, "skipped": run.guard.skipped, "gradient": norm}
            run.logbook.write(offset + step + 1, "score", **details)
    check_finite(offset + config.steps, score.state_dict())


class _Order:
    """An endless row of couples: all of them in random order, then all of them in another one."""

    def __init__(self, seed: int, count: int) -> None:
        self.seed, self.count = seed, count
        self._epoch, self._permutation = -1, torch.zeros(0, dtype=torch.int64)

    def couples(self, first: int, number: int) -> torch.Tensor:
        """Numbers of the couples from place ``first`` of the row on."""
        return torch.tensor([self._at(place) for place in range(first, first + number)])

    def _at(self, place: int) -> int:
        epoch, place = divmod(place, self.count)
        if epoch != self._epoch:
            keys = planned_seeds(self.seed, epoch, np.arange(self.count), _STREAM_ORDER, 1)[:, 0]
            self._epoch, self._permutation = epoch, torch.from_numpy(np.argsort(keys, kind="stable"))
        return int(self._permutation[place])
