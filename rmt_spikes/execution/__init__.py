"""Tasks on local processes or a dask cluster, and threads of BLAS."""
