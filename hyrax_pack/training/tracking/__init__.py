"""MLflow and TensorBoard follow `metrics.jsonl`, in a process of their own.

    training process                              tracking process
    metrics.jsonl ---------- read every 2 s ----> MLflow      (mlflow_feed)
    names, params, tags ---------- its stdin ---> TensorBoard (tensorboard_feed)
    the end: how it ended                         system metrics every 10 s

A process, and not a thread: importing MLflow and writing to its database is seconds of Python, during which a thread
would hold the interpreter lock and with it every step. It also outlives a training that is killed, long enough to
send the rest and to say so in MLflow. What either of them cannot take is said once; training never waits for them.
"""

from hyrax_pack.training.tracking.handle import End, NoTracking, Tracking, start_tracking
from hyrax_pack.training.tracking.plan import TrackingPlan, plan_tracking

__all__ = ["End", "NoTracking", "Tracking", "TrackingPlan", "plan_tracking", "start_tracking"]
