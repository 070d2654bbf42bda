from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Detection",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("event_id", models.CharField(max_length=128, unique=True)),
                ("camera", models.CharField(max_length=128)),
                ("time", models.DateTimeField()),
                ("trigger", models.CharField(max_length=256)),
                ("zone", models.CharField(blank=True, max_length=256)),
                ("why", models.TextField(blank=True)),
                ("objects_count", models.PositiveIntegerField(verbose_name="objects")),
                ("label", models.CharField(blank=True, max_length=128)),
                ("confidence", models.FloatField(null=True)),
                ("x1", models.FloatField(null=True)),
                ("y1", models.FloatField(null=True)),
                ("x2", models.FloatField(null=True)),
                ("y2", models.FloatField(null=True)),
                ("frame_width", models.PositiveIntegerField()),
                ("frame_height", models.PositiveIntegerField()),
                ("crop", models.BinaryField(null=True)),
            ],
            options={
                "ordering": ["-time"],
                "indexes": [models.Index(fields=["camera", "time"], name="detection_camera_time")],
            },
        ),
    ]
