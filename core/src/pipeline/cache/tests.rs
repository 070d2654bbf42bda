use super::*;
use crate::frame::{Frame, Layout, PixelFormat, Plane};
use crate::geometry::{Polygon, Size};

fn ms(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn cache(capacity: usize, ttl_s: f64, near: Option<f32>) -> ResultCache<u32> {
    ResultCache::new(ResultCacheConfig { capacity, ttl_s, near }).unwrap()
}

fn key(n: u8) -> Fingerprint {
    Fingerprint::of_bytes(&[n])
}

fn frame(format: PixelFormat, size: Size, bytes: &[u8]) -> Frame {
    Frame::copy_from(bytes, Layout::packed(format, size).unwrap()).unwrap()
}

fn gray(width: u32, height: u32, level: impl Fn(u32, u32) -> u8) -> Frame {
    let bytes: Vec<u8> = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| level(x, y)).collect();
    frame(PixelFormat::Gray8, Size::new(width, height), &bytes)
}

fn polygon(left: f32, top: f32, right: f32, bottom: f32) -> Vec<Polygon> {
    vec![Polygon::new([[left, top], [right, top], [right, bottom], [left, bottom]]).unwrap()]
}

#[test]
fn the_same_picture_has_its_result_and_another_one_has_not() {
    let mut cache = cache(8, 10.0, None);
    assert_eq!(cache.get(&key(1), None, ms(0)), None);
    cache.put(key(1), None, 11, ms(0));
    assert_eq!(
        cache.get(&key(1), None, ms(250)),
        Some(Hit { value: &11, exact: true, age: Duration::from_millis(250) })
    );
    assert_eq!(cache.get(&key(2), None, ms(250)), None);
}

/// Caches that looked at the first bytes of a JPEG took every frame of a camera for the same.
#[test]
fn jpegs_with_equal_headers_are_different_pictures() {
    let jpeg = include_bytes!("../../../tests/data/baseline.jpg");
    let scan = jpeg.windows(2).rposition(|pair| pair == [0xFF, 0xDA]).unwrap();
    let mut all = vec![Fingerprint::of_bytes(jpeg)];
    for at in scan..jpeg.len() {
        for bit in 0..8 {
            let mut other = *jpeg;
            other[at] ^= 1 << bit;
            all.push(Fingerprint::of_bytes(&other));
        }
    }
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
    assert_ne!(Fingerprint::of_bytes(jpeg), Fingerprint::of_bytes(&jpeg[..jpeg.len() - 1]));
    let again = [&jpeg[..20], &jpeg[20..]].concat();
    assert_eq!(Fingerprint::of_bytes(jpeg), Fingerprint::of_bytes(&again));
}

#[test]
fn every_pixel_of_every_plane_counts() {
    for (format, size) in [
        (PixelFormat::Gray8, Size::new(37, 9)),
        (PixelFormat::Bgr8, Size::new(33, 5)),
        (PixelFormat::Nv12, Size::new(31, 7)),
        (PixelFormat::I420, Size::new(30, 7)),
    ] {
        let len = Layout::packed(format, size).unwrap().byte_len();
        let mut bytes: Vec<u8> = (0..len).map(|k| k as u8).collect();
        let first = Fingerprint::of_frame(&frame(format, size, &bytes));
        for at in 0..len {
            bytes[at] ^= 1;
            assert_ne!(Fingerprint::of_frame(&frame(format, size, &bytes)), first, "{format}, byte {at}");
            bytes[at] ^= 1;
        }
        assert_eq!(Fingerprint::of_frame(&frame(format, size, &bytes)), first);
        assert_eq!(Fingerprint::of_frame(&frame(format, size, &bytes).in_separate_planes()), first);
    }
}

#[test]
fn format_and_size_count_and_padding_does_not() {
    let bytes = [7; 24];
    let all = [
        frame(PixelFormat::Gray8, Size::new(6, 4), &bytes),
        frame(PixelFormat::Gray8, Size::new(4, 6), &bytes),
        frame(PixelFormat::Rgb8, Size::new(4, 2), &bytes),
        frame(PixelFormat::Bgr8, Size::new(4, 2), &bytes),
        frame(PixelFormat::Nv12, Size::new(4, 4), &bytes),
        frame(PixelFormat::I420, Size::new(4, 4), &bytes),
    ]
    .map(|frame| Fingerprint::of_frame(&frame));
    for (k, one) in all.iter().enumerate() {
        assert!(!all[k + 1..].contains(one), "{k}");
    }
    let layout = |stride, offset| {
        let planes = [Plane { offset, stride }];
        Layout::packed(PixelFormat::Gray8, Size::new(2, 2)).unwrap().with_planes(&planes).unwrap()
    };
    let of = |bytes: &[u8], layout| Fingerprint::of_frame(&Frame::copy_from(bytes, layout).unwrap());
    let packed = of(&[1, 2, 3, 4], layout(2, 0));
    assert_eq!(of(&[1, 2, 99, 3, 4], layout(3, 0)), packed);
    assert_eq!(of(&[1, 2, 55, 3, 4], layout(3, 0)), packed);
    assert_eq!(of(&[0, 0, 1, 2, 55, 66, 3, 4], layout(4, 2)), packed);
    assert_ne!(of(&[1, 2, 3, 99, 4], layout(3, 0)), packed);
}

#[test]
fn a_result_lives_for_its_time_and_no_longer_by_being_asked_for() {
    let mut cache = cache(8, 1.0, None);
    cache.put(key(1), None, 11, ms(0));
    cache.put(key(2), None, 22, ms(600));
    assert!(cache.get(&key(1), None, ms(999)).is_some());
    assert!(cache.get(&key(1), None, ms(1000)).is_none());
    assert_eq!(cache.len(), 1);
    assert!(cache.get(&key(2), None, ms(1599)).is_some());
    assert!(cache.get(&key(2), None, ms(1600)).is_none());
    // Put in again, it begins anew.
    cache.put(key(1), None, 1, ms(2000));
    cache.put(key(1), None, 2, ms(2900));
    assert_eq!(cache.len(), 1);
    assert_eq!(cache.get(&key(1), None, ms(3800)).map(|hit| *hit.value), Some(2));
}

#[test]
fn the_oldest_makes_room() {
    let mut cache = cache(3, 100.0, None);
    for n in 0..5 {
        cache.put(key(n), None, u32::from(n), ms(n.into()));
        // Being asked for does not make it younger.
        let _ = cache.get(&key(0), None, ms(n.into()));
        assert!(cache.len() <= 3);
    }
    let found: Vec<bool> = (0..5).map(|n| cache.get(&key(n), None, ms(5)).is_some()).collect();
    assert_eq!(found, [false, false, true, true, true]);
    // A picture that is put in again takes no place of another one.
    cache.put(key(2), None, 0, ms(6));
    assert_eq!(cache.len(), 3);
    cache.put(key(9), None, 9, ms(7));
    assert!(cache.get(&key(2), None, ms(7)).is_some() && cache.get(&key(3), None, ms(7)).is_none());
}

#[test]
fn a_capacity_of_nothing_keeps_nothing() {
    let mut cache = cache(0, 10.0, Some(2.0));
    assert!(!cache.wants_thumbnail());
    cache.put(key(1), None, 1, ms(0));
    assert_eq!((cache.len(), cache.get(&key(1), None, ms(0))), (0, None));
}

#[test]
fn time_that_goes_back_empties_it_and_the_ends_of_time_do_no_harm() {
    let mut cache = cache(8, 10.0, None);
    cache.put(key(1), None, 1, ms(3_600_000));
    assert_eq!(cache.get(&key(1), None, ms(3_599_999)), None);
    assert_eq!(cache.get(&key(1), None, ms(3_600_000)), None);
    for (from, to) in [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (0, i64::MAX), (i64::MIN, i64::MIN)] {
        let (from, to) = (Timestamp::from_nanos(from), Timestamp::from_nanos(to));
        cache.put(key(2), None, 2, from);
        assert!(cache.get(&key(2), None, from).is_some());
        assert_eq!(cache.get(&key(2), None, to).is_some(), from == to);
    }
    cache.put(key(3), None, 3, ms(0));
    cache.put(key(4), None, 4, ms(-1));
    assert_eq!(cache.len(), 1);
}

#[test]
fn near_is_what_differs_by_little_everywhere() {
    let mut cache = cache(8, 10.0, Some(2.0));
    assert!(cache.wants_thumbnail());
    let scene = |x: u32, y: u32| (40 + x % 90 + y / 2) as u8;
    let base = gray(320, 180, scene);
    cache.put(key(1), Some(Thumbnail::of(&base, &[], &[])), 1, ms(0));
    let mut look = |other: &Frame| {
        cache.get(&key(2), Some(&Thumbnail::of(other, &[], &[])), ms(1)).map(|hit| (*hit.value, hit.exact))
    };
    assert_eq!(look(&base), Some((1, false)));
    // Noise, and a little more light.
    assert_eq!(look(&gray(320, 180, |x, y| scene(x, y) + (x * 7 + y * 3) as u8 % 3)), Some((1, false)));
    assert_eq!(look(&gray(320, 180, |x, y| scene(x, y) + 2)), Some((1, false)));
    assert_eq!(look(&gray(320, 180, |x, y| scene(x, y) + 3)), None);
    // Somebody far away: 4×4 of 57,600 pixels, wherever they stand.
    for (left, top) in [(0, 0), (316, 176), (100, 50), (158, 88), (7, 171)] {
        let person = |x: u32, y: u32| (left..left + 4).contains(&x) && (top..top + 4).contains(&y);
        let other = gray(320, 180, |x, y| if person(x, y) { scene(x, y) + 60 } else { scene(x, y) });
        assert_eq!(look(&other), None, "somebody at {left}, {top}");
    }
    // Without a thumbnail, and of another size.
    assert_eq!(look(&gray(320, 176, scene)), None);
    assert_eq!(cache.get(&key(2), None, ms(1)), None);
}

#[test]
fn the_same_picture_comes_before_a_near_one_and_the_newest_near_one_first() {
    let mut cache = cache(8, 10.0, Some(2.0));
    let thumbnail = Thumbnail::of(&gray(64, 36, |_, _| 90), &[], &[]);
    for n in 1..=3 {
        cache.put(key(n), Some(thumbnail.clone()), n.into(), ms(n.into()));
    }
    let value = |hit: Option<Hit<'_, u32>>| hit.map(|hit| (*hit.value, hit.exact));
    assert_eq!(value(cache.get(&key(1), Some(&thumbnail), ms(4))), Some((1, true)));
    assert_eq!(value(cache.get(&key(9), Some(&thumbnail), ms(4))), Some((3, false)));
    // Nearness is not asked for.
    let mut plain = super::tests::cache(8, 10.0, None);
    plain.put(key(1), Some(thumbnail.clone()), 1, ms(0));
    assert_eq!(plain.get(&key(2), Some(&thumbnail), ms(0)), None);
}

#[test]
fn only_the_region_of_interest_counts() {
    let base = gray(320, 180, |_, _| 100);
    let changed = |left: u32, top: u32| {
        gray(320, 180, |x, y| if x >= left && x < left + 9 && y >= top && y < top + 9 { 200 } else { 100 })
    };
    let near = |other: &Frame, include: &[Polygon], exclude: &[Polygon]| {
        Thumbnail::of(&base, include, exclude).is_near(&Thumbnail::of(other, include, exclude), 2.0)
    };
    let left = polygon(0.0, 0.0, 0.5, 1.0);
    assert!(!near(&changed(30, 30), &left, &[]) && near(&changed(200, 30), &left, &[]));
    assert!(near(&changed(30, 30), &[], &left) && !near(&changed(200, 30), &[], &left));
    // A region that ends inside a cell: 6 of its 10 columns, of which 1 changes.
    let narrow = polygon(0.0, 0.0, 106.0 / 320.0, 1.0);
    let line = gray(320, 180, |x, _| if x == 105 { 120 } else { 100 });
    let outside = gray(320, 180, |x, _| if x == 106 { 255 } else { 100 });
    assert!(!near(&line, &narrow, &[]) && near(&outside, &narrow, &[]));
    // Another region is another thing, and nothing is near where nothing is looked at.
    assert!(!Thumbnail::of(&base, &left, &[]).is_near(&Thumbnail::of(&base, &[], &[]), 64.0));
    let whole = polygon(0.0, 0.0, 1.0, 1.0);
    assert!(!near(&base, &[], &whole));
    assert!(!near(&base, &left, &polygon(0.0, 0.0, 0.5, 1.0)));
}

#[test]
fn thumbnails_of_any_format_and_size() {
    let red = frame(PixelFormat::Rgb8, Size::new(64, 36), &[200, 100, 50].repeat(64 * 36));
    let blue = frame(PixelFormat::Bgra8, Size::new(64, 36), &[50, 100, 200, 7].repeat(64 * 36));
    let luma = gray(64, 36, |_, _| 124);
    let of = |frame: &Frame| Thumbnail::of(frame, &[], &[]);
    assert!(of(&red).is_near(&of(&blue), 0.0) && of(&red).is_near(&of(&luma), 0.5));
    assert!(!of(&red).is_near(&of(&luma), 0.1) && !of(&red).is_near(&of(&red), f32::NAN));
    for (width, height) in [(1, 1), (1, 400), (400, 1), (33, 17), (17, 33), (31, 19)] {
        let (dark, light) = (gray(width, height, |_, _| 10), gray(width, height, |_, _| 13));
        assert!(of(&dark).is_near(&of(&light), 3.0) && !of(&dark).is_near(&of(&light), 2.9), "{width}×{height}");
        // The last pixel is in a cell too.
        let last = gray(width, height, |x, y| if (x + 1, y + 1) == (width, height) { 255 } else { 10 });
        assert!(!of(&dark).is_near(&of(&last), 2.0), "{width}×{height}");
    }
}

#[test]
fn its_state_is_data() {
    let mut cache = cache(2, 10.0, Some(1.5));
    cache.put(key(1), Some(Thumbnail::of(&gray(64, 36, |x, _| x as u8), &[], &[])), 1, ms(5));
    cache.put(key(2), None, 2, Timestamp::from_nanos(i64::MAX - 1));
    let text = serde_json::to_string(&cache).unwrap();
    assert_eq!(serde_json::from_str::<ResultCache<u32>>(&text).unwrap(), cache);
    let bytes = postcard::to_allocvec(&cache).unwrap();
    assert_eq!(postcard::from_bytes::<ResultCache<u32>>(&bytes).unwrap(), cache);
}

#[test]
fn bad_configs_name_their_field() {
    let default = ResultCacheConfig::default;
    for (config, field) in [
        (ResultCacheConfig { capacity: 1025, ..default() }, "capacity"),
        (ResultCacheConfig { ttl_s: 0.0, ..default() }, "ttl_s"),
        (ResultCacheConfig { ttl_s: f64::NAN, ..default() }, "ttl_s"),
        (ResultCacheConfig { ttl_s: f64::INFINITY, ..default() }, "ttl_s"),
        (ResultCacheConfig { near: Some(f32::NAN), ..default() }, "near"),
        (ResultCacheConfig { near: Some(-1.0), ..default() }, "near"),
        (ResultCacheConfig { near: Some(65.0), ..default() }, "near"),
    ] {
        let error = ResultCache::<u32>::new(config).unwrap_err();
        assert_eq!(error.code(), crate::ErrorCode::InvalidConfig);
        assert!(error.to_string().starts_with(field), "{error}");
    }
    assert!(serde_json::from_str::<ResultCacheConfig>(r#"{"ttl": 3}"#).is_err());
    assert_eq!(serde_json::from_str::<ResultCacheConfig>("{}").unwrap(), default());
}
