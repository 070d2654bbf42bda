use super::config::CameraConfig;
use crate::clock::{Timestamp, UnixTime};
use serde::{Deserialize, Serialize};

/// The capture time of a frame, on three time bases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FrameTime {
    /// As the host says.
    pub(super) pts: Timestamp,
    /// For people and schedules: of a recording its own, of a stream the machine's.
    pub(super) time: UnixTime,
    /// For ids of events; see [`Scene::civil_ns`](crate::event::Scene::civil_ns).
    pub(super) civil_ns: i64,
}

/// Civil-time origin of a camera's stream: makes event ids differ between runs, and stay the same within one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StreamOrigin {
    /// Civil time less presentation time; none before the first frame.
    offset_ns: Option<i64>,
}

const NANOS: i64 = 1_000_000_000;

impl StreamOrigin {
    /// The time of the next frame, at this civil time of the machine. `anew` says that the times of the stream begin anew.
    pub(super) fn at(&mut self, pts: Timestamp, unix_ns: i64, anew: bool, config: &CameraConfig) -> FrameTime {
        if anew {
            self.offset_ns = None;
        }
        let offset_ns = *self.offset_ns.get_or_insert(unix_ns.saturating_sub(pts.as_nanos()));
        let (offset_ns, time_ns) = match config.epoch_s {
            Some(epoch_s) => {
                let offset_ns = epoch_s.saturating_mul(NANOS);
                (offset_ns, offset_ns.saturating_add(pts.as_nanos()))
            }
            None => (offset_ns, unix_ns),
        };
        FrameTime {
            pts,
            time: UnixTime::from_secs(time_ns.div_euclid(NANOS)),
            // Two times of one stream stay two, wherever it begins.
            civil_ns: offset_ns.wrapping_add(pts.as_nanos()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn a_recording_has_its_own_time_and_a_stream_that_of_its_first_frame() {
        let live = CameraConfig::new("gate");
        let mut origin = StreamOrigin::default();
        let first = origin.at(at(500), 1_700_000_000_250_000_000, true, &live);
        assert_eq!((first.civil_ns, first.time.as_secs()), (1_700_000_000_250_000_000, 1_700_000_000));
        // The machine's clock is set back by an hour: the time for people follows, that of ids does not.
        let next = origin.at(at(1_500), 1_699_996_400_000_000_000, false, &live);
        assert_eq!((next.civil_ns, next.time.as_secs()), (1_700_000_001_250_000_000, 1_699_996_400));
        // The stream begins anew, at the same times: other frames.
        let again = origin.at(at(500), 1_700_000_009_000_000_007, true, &live);
        assert_eq!(again.civil_ns, 1_700_000_009_000_000_007);

        let recording = CameraConfig { epoch_s: Some(-3), ..CameraConfig::new("gate") };
        for (origin, unix_ns) in [(&mut origin, 5), (&mut StreamOrigin::default(), 1_700_000_000_000_000_000)] {
            let frame = origin.at(at(1_500), unix_ns, true, &recording);
            assert_eq!((frame.civil_ns, frame.time.as_secs()), (-1_500_000_000, -2));
        }
        let last = StreamOrigin::default().at(Timestamp::from_nanos(i64::MAX), i64::MIN, true, &live);
        assert_eq!(last.pts.as_nanos(), i64::MAX);
        let late = CameraConfig { epoch_s: Some(9_000_000_000), ..CameraConfig::new("gate") };
        let [one, other] = [8_000_000_000_000, 8_000_000_001_000].map(|ms| origin.at(at(ms), 0, true, &late).civil_ns);
        assert_ne!(one, other);
    }
}
