"""Search a learning rate and a width for the tutorial's network: `python sweep.py 20` beside digits.toml."""

import sys

import optuna

from hyrax_pack import train
from hyrax_pack.config import load_config
from hyrax_pack.run import summarise


def objective(trial: optuna.Trial) -> float:
    """Train once; what to minimise is the loss that chose the best weights."""
    chosen = [
        f"optimizer.lr={trial.suggest_float('lr', 1e-4, 1e-2, log=True)}",
        f"model.DigitsCNN.width={trial.suggest_int('width', 4, 32)}",
    ]
    run = train(load_config("digits.toml", chosen))
    trial.set_user_attr("run", str(run.path))
    return summarise(run).best or float("inf")


study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=1))
study.optimize(objective, n_trials=int(sys.argv[1]))
print(study.best_trial.user_attrs["run"])
