"""A dropped file: streamed, split, judged; a run, a batch or a refusal."""
