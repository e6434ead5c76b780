"""What to set on this machine, read from its figures; a pure function, so that the reading can be tested."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hyrax_runtime.benching.figures import Figures, Rate

AS_GOOD = 0.95  # of the best: what is not worth more threads or larger batches
SCALES = 0.8  # rows/s per thread, against one thread alone: below it, processes use the cores better
GAINS = 1.1  # times as many rows/s: worth another way to call


def advise(figures: Figures) -> tuple[str, ...]:
    """Return one line for each setting, the setting first."""
    best = advised_rate(figures.rates)
    lines = [_threads(figures, best), _batch(figures, best), _memory(figures, best), _stream(figures, best)]
    return tuple(line for line in lines if line)


def advised_rate(rates: Sequence[Rate]) -> Rate:
    """Return the fewest threads that come near the best rate, and with them the smallest batch that does."""
    enough = AS_GOOD * max(rate.rows_per_s for rate in rates)
    good = [rate for rate in rates if rate.rows_per_s >= enough]
    return min(good, key=lambda rate: (rate.threads or 0, rate.batch))


def _threads(figures: Figures, best: Rate) -> str:
    rates = _best_by(figures.rates, lambda rate: rate.threads)
    if best.threads is None or len(rates) == 1:
        return ""  # nothing was compared
    alone = rates.get(1)
    if best.threads == 1 or alone is None:
        most = max(threads for threads in rates if threads)
        return (
            f"threads={best.threads}: more, up to {most}, do not make it quicker; further processes use further cores"
        )
    gain = best.rows_per_s / alone
    line = f"threads={best.threads}: {gain:.1f} times the rows/s of one thread"
    if gain / best.threads >= SCALES:
        return line
    return f"{line}, for one stream of rows; for many, {figures.cores} processes with threads=1 use the cores better"


def _batch(figures: Figures, best: Rate) -> str:
    if figures.batches == "joint":
        return "batch: this bundle's rows belong together, so only its golden batch was measured"
    same = [rate for rate in figures.rates if rate.threads == best.threads]
    smallest = min(same, key=lambda rate: rate.batch)
    wait = f"a batch takes {_duration(best.batch / best.rows_per_s)}"
    if best.batch == smallest.batch:
        return f"batch={best.batch}: larger batches do not make it quicker; {wait}"
    gain = best.rows_per_s / smallest.rows_per_s
    return f"batch={best.batch}: {gain:.1f} times the rows/s of batch {smallest.batch}; {wait}"


def _memory(figures: Figures, best: Rate) -> str:
    modes = {rate.memory: rate for rate in figures.modes if rate.batch == max(each.batch for each in figures.modes)}
    starts = {start.memory: start for start in figures.cold_starts}
    if modes.keys() != {"fast", "shared"} or starts.keys() != {"fast", "shared"}:
        return ""
    fast, shared = modes["fast"], modes["shared"]
    sooner_ms = starts["fast"].session_ms - starts["shared"].session_ms
    price = f"{shared.rows_per_s / fast.rows_per_s:.2f} times the rows/s of fast at batch {fast.batch}"
    saved = _saved(starts["fast"].private_mb, starts["shared"].private_mb)
    if shared.rows_per_s >= AS_GOOD * fast.rows_per_s:
        return f"memory=shared: {price}; it opens in {starts['shared'].session_ms:.0f} ms{saved}"
    sooner = f", opens {sooner_ms:.0f} ms sooner" if sooner_ms >= 1 else ""
    return f"memory=fast: shared has {price}{sooner}{saved}; take it for many processes or short ones"


def _saved(fast_mb: float | None, shared_mb: float | None) -> str:
    if fast_mb is None or shared_mb is None or fast_mb - shared_mb < 1:
        return ""
    return f", and each process keeps {fast_mb - shared_mb:.0f} MB less to itself"


def _stream(figures: Figures, best: Rate) -> str:
    if figures.stream_gain is None or figures.stream_gain < GAINS:
        return ""
    gain = f"predictor.stream() gives {figures.stream_gain:.1f} times the rows/s of predict at batch {best.batch}"
    return f"stream: {gain}; the next batch's tensors are made while onnxruntime runs"


def _best_by(rates: Sequence[Rate], key: Callable[[Rate], int | None]) -> dict[int | None, float]:
    best: dict[int | None, float] = {}
    for rate in rates:
        best[key(rate)] = max(best.get(key(rate), 0.0), rate.rows_per_s)
    return best


def _duration(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} us"
