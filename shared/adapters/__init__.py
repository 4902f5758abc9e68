"""How Azure is called: each fulfils a Protocol that stands beside the service which needs it."""
