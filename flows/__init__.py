"""The roof: Prefect flows, deployments, the command line. The only place where stages meet."""
