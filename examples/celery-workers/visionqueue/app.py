"""The queues and the rules of delivery: what both the cameras' side and the workers know."""

import uuid
from typing import Any

from celery import Celery
from kombu import Exchange, Queue

from . import settings

#: As RabbitMQ counts: more goes first.
PRIORITIES = {"low": 0, "normal": 1, "critical": 2}

_direct = Exchange("visionqueue", type="direct", durable=True)
#: What could not be done, for a person to look at; forgotten after a week, since these are pictures of people.
DEAD = Queue("dead", _direct, "dead", durable=True, queue_arguments={"x-message-ttl": 7 * 24 * 3600 * 1000})


def _queue(name: str) -> Queue:
    arguments = {
        "x-max-priority": max(PRIORITIES.values()),
        "x-dead-letter-exchange": _direct.name,
        "x-dead-letter-routing-key": DEAD.name,
    }
    return Queue(name, _direct, name, durable=True, queue_arguments=arguments)


#: By the names of the tasks.
QUEUES = {"detect": _queue("detection"), "ocr": _queue("ocr")}

app = Celery("visionqueue", broker=settings.BROKER_URL)
app.conf.update(
    task_queues=list(QUEUES.values()),
    task_routes={f"visionqueue.{task}": {"queue": queue.name} for task, queue in QUEUES.items()},
    # Nothing is unpickled: whoever can write to the broker could run code in the workers.
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    # A frame is the broker's until its result is stored: a worker that dies gives it back.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # What fails goes to the dead letters.
    task_acks_on_failure_or_timeout=False,
    # No worker keeps frames that another one could begin with, and a critical frame waits for one frame at most.
    worker_prefetch_multiplier=1,
    # A worker that hangs gives its frame back too.
    task_soft_time_limit=60,
    task_time_limit=90,
    # `send` returns when the broker has written the frame down.
    broker_transport_options={"confirm_publish": True},
    broker_connection_retry_on_startup=True,
    # A task that ran on while the connection was lost runs a second time elsewhere, which stores nothing new.
    worker_cancel_long_running_tasks_on_connection_loss=False,
)


def event_id(camera: str, pts: float) -> str:
    """The id of a camera's frame: the same for the same camera and moment, wherever and however often it is made."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{camera}\n{round(pts * 1_000_000)}"))


def send(task: str, *, priority: int, **message: Any) -> None:
    """Hands a task to the broker, and returns when the broker has it on disk.

    Raises:
        kombu.exceptions.OperationalError: It could not be reached for about ten seconds.
    """
    queue = QUEUES[task]
    app.send_task(
        f"visionqueue.{task}",
        kwargs=message,
        priority=priority,
        # The queue of dead letters too: the broker throws away what it cannot deliver there.
        declare=[queue, DEAD],
        # Celery sends what it shows in its logs with each message; that need not be a picture.
        kwargsrepr=repr({name: value for name, value in message.items() if name != "jpeg"}),
        retry=True,
        retry_policy={"max_retries": 5, "interval_start": 0.2, "interval_step": 0.8, "interval_max": 3.0},
    )
