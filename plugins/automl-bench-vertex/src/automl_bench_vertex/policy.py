"""The least-privilege permissions that the plugin needs, as the file of a custom role."""

from __future__ import annotations

PERMISSIONS = (
    "aiplatform.datasets.create",
    "aiplatform.datasets.delete",
    "aiplatform.datasets.get",
    "aiplatform.datasets.import",
    "aiplatform.datasets.list",
    "aiplatform.endpoints.create",
    "aiplatform.endpoints.delete",
    "aiplatform.endpoints.deploy",
    "aiplatform.endpoints.get",
    "aiplatform.endpoints.list",
    "aiplatform.endpoints.predict",
    "aiplatform.endpoints.undeploy",
    "aiplatform.models.delete",
    "aiplatform.models.get",
    "aiplatform.models.list",
    "aiplatform.models.upload",
    "aiplatform.operations.list",
    "aiplatform.trainingPipelines.cancel",
    "aiplatform.trainingPipelines.create",
    "aiplatform.trainingPipelines.delete",
    "aiplatform.trainingPipelines.get",
    "aiplatform.trainingPipelines.list",
    "storage.buckets.get",
    "storage.objects.create",
    "storage.objects.delete",
    "storage.objects.get",
    "storage.objects.list",
)

POLICY = "\n".join(
    [
        "# gcloud iam roles create automlBench --project=YOUR-PROJECT --file=role.yaml",
        "# gcloud projects add-iam-policy-binding YOUR-PROJECT --member=serviceAccount:YOUR-ACCOUNT \\",
        "#   --role=projects/YOUR-PROJECT/roles/automlBench",
        "# Vertex AI itself reads the images; its service agent needs this, once:",
        "# gcloud storage buckets add-iam-policy-binding gs://YOUR-BUCKET --role=roles/storage.objectViewer \\",
        "#   --member=serviceAccount:service-YOUR-PROJECT-NUMBER@gcp-sa-aiplatform.iam.gserviceaccount.com",
        "title: automl-bench",
        "description: What automl-bench's provider vertex needs",
        "stage: GA",
        "includedPermissions:",
        *(f"- {permission}" for permission in PERMISSIONS),
    ]
)
