"""The list of events with their pictures; to be looked at, not to be written by hand."""

import base64

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from .models import Detection


@admin.register(Detection)
class DetectionAdmin(admin.ModelAdmin):  # type: ignore[type-arg, unused-ignore]  # generic in the stubs, not in Django
    list_display = ("thumbnail", "camera", "time", "trigger", "label", "confidence", "zone")
    list_display_links = ("thumbnail", "time")
    list_filter = ("camera", "label", "time")
    search_fields = ("camera", "trigger", "label", "zone", "why", "event_id")
    date_hierarchy = "time"
    list_per_page = 50
    # Counting all rows again for each filter is slow in PostgreSQL.
    show_full_result_count = False
    readonly_fields = ("thumbnail",)
    exclude = ("crop",)

    @admin.display(description="picture")
    def thumbnail(self, row: Detection) -> SafeString:
        """The picture in the page itself: no address of it can be passed on."""
        if row.crop is None:
            return format_html("<i>{}</i>", "none")
        encoded = base64.b64encode(bytes(row.crop)).decode()
        return format_html(
            '<img src="data:image/jpeg;base64,{}" alt="{}" style="max-height:80px;max-width:160px">', encoded, row.label
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Detection | None = None) -> bool:
        return False
