"""The least permissions that the plugin needs, in Hugging Face's own words."""

POLICY = """\
A fine-grained access token (Settings, Access Tokens, Create new token, Fine-grained) of the user, or on the
organization, that is set as namespace. Permissions:
  Repositories   Read access to contents of all repos under the namespace
                 Write access to contents and settings of all repos under the namespace
  Inference      Make calls to your Inference Endpoints
                 Manage Inference Endpoints
  Jobs           Start and manage Jobs
Nothing else: no discussions, webhooks, collections, billing or gated repositories. The console's own wording of these
boxes changes; one that is missing shows as "403" with the request that needed it.
A token cannot be limited to repositories that do not exist yet, nor to a name prefix: an organization of its own for
benchmarks keeps everything else out of reach. Jobs and endpoints need a plan or credit that pays for them.

With this token automl-bench calls, on names that begin with "automl-bench-" (or the endpoint adopted with --endpoint)
and nothing else:
  GET    /api/whoami-v2                                    `providers check`, and without a namespace once a process
  GET    /api/datasets, /api/models                        find orphans by name
  POST   /api/repos/create, DELETE /api/repos/delete       one private dataset and one private model repository a trial
  GET    /api/datasets/{repo}, /api/models/{repo}          newest commit
  POST   /api/datasets/{repo}/preupload, /commit           which files are there, and naming the new ones
  POST   /datasets/{repo}.git/info/lfs/objects/batch       where the contents of samples go
  GET    /{repo}/resolve/{commit}/training.json            how long the training took
  POST   /api/jobs/{namespace}, GET …, POST …/cancel, GET …/logs
  POST, GET, DELETE /v2/endpoint/{namespace}…, POST …/pause, …/resume
  POST   {the endpoint}                                    one a prediction
The job itself gets the same token, as a secret: it reads the dataset repository and writes the model repository.
"""
