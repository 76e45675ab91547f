"""What Gradio has to tell each session of its events, kept until it was read, whoever else comes meanwhile.

Gradio keeps it for two thousand sessions and then drops the one that came first, in the middle of an upload or not.
Each call over plain HTTP is a session.
"""

import sys

from gradio.queueing import Queue

UNREAD = 2000  # sessions whose events are over and were not asked about
LONGEST = 500  # messages that wait for one session; a page reads each as it comes


def keep_all(queue: Queue) -> None:
    """Let no session lose what it waits for; `forget_read` bounds what is kept."""
    queue.pending_messages_per_session.max_size = sys.maxsize


def forget_read(queue: Queue) -> None:
    """Forget sessions whose events are over and were read, the oldest of those that were not, and what is never read.

    It is called where Gradio reads and writes them: in the thread of the server.
    """
    asked, messages = queue.pending_event_ids_session, queue.pending_messages_per_session
    over = {session: ids for session, ids in asked.items() if queue.event_ids_to_events.keys().isdisjoint(ids)}
    read = [session for session, ids in over.items() if not ids]
    unread = [session for session, ids in over.items() if ids]
    left = [session for session in messages if session not in asked]
    for session in (*read, *unread[:-UNREAD], *left):
        asked.pop(session, None)
        messages.pop(session, None)
    for waiting in messages.values():
        if waiting.qsize() > LONGEST:
            while not waiting.empty():
                waiting.get_nowait()
