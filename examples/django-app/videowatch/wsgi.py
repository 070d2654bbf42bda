"""For gunicorn and its like: `gunicorn videowatch.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "videowatch.settings")
application = get_wsgi_application()
