//! Rows whose figures were read off published captures.
use super::{Told, capture, read, read_in_pieces, settings, telegrams};
use metergate_meter::{Code, Protocol, Settings};
use metergate_reading::ValueBuf;

fn sml(name: &str) -> Option<Vec<Told>> {
    Some(read(Protocol::Sml, Settings::default(), &capture(&format!("sml/{name}"))?))
}

#[test]
fn row_01_nine_captures_decode_to_their_table() {
    for (name, count, meter, values) in [
        (
            "s2-easymeter-q3a",
            2,
            "1ESY1161426155",
            &[
                ("1-0:1.8.0", "35204.0842 Wh"),
                ("1-0:16.7.0", "319.08 W"),
                ("1-0:36.7.0", "48.50 W"),
                ("1-0:56.7.0", "254.68 W"),
                ("1-0:76.7.0", "15.88 W"),
            ][..],
        ),
        (
            "s2-easymeter-q3m-top-no-pin",
            1,
            "1ESY1160690809",
            &[
                ("1-0:1.8.0", "611.2644 Wh"),
                ("1-0:2.8.0", "180.0910 Wh"),
                ("1-0:1.8.1", "419.4197 Wh"),
                ("1-0:1.8.2", "191.8447 Wh"),
                ("1-0:16.7.0", "0.00 W"),
            ],
        ),
        ("s2-easymeter-q3m-front-with-pin", 1, "1ESY1160690809", &[("1-0:1.8.0", "611.2644 Wh")]),
        ("s2-emh-ed300l-no-pin", 1, "1EMH0006541784", &[("1-0:1.8.0", "0 Wh"), ("1-0:2.8.0", "0 Wh")]),
        (
            "s2-emh-ed300l-with-pin",
            1,
            "1EMH0006541784",
            &[
                ("1-0:1.8.0", "687.6 Wh"),
                ("1-0:2.8.0", "172.3 Wh"),
                ("1-0:1.8.1", "684.8 Wh"),
                ("1-0:2.8.1", "172.3 Wh"),
                ("1-0:1.8.2", "2.8 Wh"),
                ("1-0:2.8.2", "0.0 Wh"),
                ("1-0:16.7.0", "0.0 W"),
            ],
        ),
        ("s2-efr-sgm-no-pin", 1, "1EFR1717070056", &[("1-0:1.8.0", "0.0 Wh"), ("1-0:0.2.0*0", "01.02")]),
        (
            "s2-emh-sgm-no-pin",
            1,
            "1EMH0006319508",
            &[("1-0:1.8.0", "144680.3 Wh"), ("1-0:2.8.0", "173.2 Wh"), ("1-0:16.7.0", "69 W")],
        ),
        ("s2-iskra-no-pin", 1, "1ISK0067366392", &[("1-0:1.8.0", "5000 Wh")]),
        ("s2-itron-3hz-no-pin", 1, "1ITR0054882841", &[("1-0:1.8.0", "40000 Wh"), ("1-0:2.8.0", "2000 Wh")]),
    ] {
        let Some(told) = sml(name) else { return };
        let telegrams = telegrams(&told);
        assert_eq!(telegrams.len(), count, "{name}");
        assert_eq!(telegrams.len(), told.len(), "{name}: nothing is refused");
        for telegram in telegrams {
            assert_eq!(telegram.meter.as_deref(), Some(meter), "{name}");
            telegram.check(values);
        }
    }
}

#[test]
fn row_01_the_two_damaged_pastes_are_refused_for_their_crc_or_salvaged() {
    let Some(told) = sml("s2-easymeter-q3m-top-with-pin") else { return };
    assert_eq!(told, [Told::Refused(Code::CrcMismatch)]);
    // The other one lost bytes before its value list only: the list has a right CRC of its own and comes out flagged.
    let Some(bytes) = capture("sml/s2-easymeter-q3m-front-no-pin") else { return };
    let mut meter = metergate_meter::sml::Sml::new(Settings::default(), vec![0; 4096]);
    let flags = super::flags(&mut meter, &bytes);
    assert!(flags.iter().all(|flags| flags.salvaged), "never delivered as whole");
}

#[test]
fn row_02_integers_of_every_width_and_scalers() {
    let Some(told) = sml("s2-emh-sgm-no-pin") else { return };
    told[0].telegram().check(&[("1-0:1.8.0", "144680.3 Wh")]);
    let Some(told) = sml("s2-iskra-no-pin") else { return };
    told[0].telegram().check(&[("1-0:1.8.0", "5000 Wh")]);
}

#[test]
fn row_03_identities_firmware_and_public_key() {
    let Some(told) = sml("s2-efr-sgm-no-pin") else { return };
    let efr = told[0].telegram();
    // Medium 1, EFR, block 17 (hexadecimal), serial 17070056.
    assert_eq!(efr.meter.as_deref(), Some("1EFR1717070056"));
    efr.check(&[("1-0:0.2.0*0", "01.02"), ("1-0:96.50.1*4", "P1.03.06")]);
    let Some(told) = sml("s2-easymeter-q3a") else { return };
    let ValueBuf::Octets(key) = &told[0].telegram().register("129-129:199.130.5").value else {
        panic!("no octets")
    };
    assert_eq!(key.len(), 48);
    assert_eq!((key[..3].to_vec(), key[46..].to_vec()), (vec![0xF2, 0xD3, 0x95], vec![0xEF, 0xBC]));
}

const NETZ_NOE_KEY: &str = "36C66639E48A8CA4D6BC8B282A793BBB";
const SAGEMCOM_KEY: &str = "E36344D76C1F6E5DD9F54258B5508866";

#[test]
fn row_07_a_flipped_byte_is_refused_and_the_next_telegram_accepted_however_the_bytes_are_cut() {
    for (name, key) in [("kaifa-netz-noe-spec", NETZ_NOE_KEY), ("sagemcom-t210d-netz-noe", SAGEMCOM_KEY)] {
        let Some(good) = capture(&format!("dlms-mbus/{name}")) else { return };
        let whole = read(Protocol::DlmsMbus, settings(Some(key), None), &good);
        assert_eq!(telegrams(&whole).len(), 1, "{name}");
        for at in (0..good.len()).step_by(7) {
            let mut bytes = good.clone();
            bytes[at] ^= 0x04;
            bytes.extend_from_slice(&good);
            let told = read(Protocol::DlmsMbus, settings(Some(key), None), &bytes);
            assert_eq!(telegrams(&told), telegrams(&whole), "{name}, byte {at}");
            assert!(told.len() > 1, "{name}, byte {at}: the refusal is told");
        }
        for chunk in 1..good.len() {
            let told = read_in_pieces(Protocol::DlmsMbus, settings(Some(key), None), &good, chunk);
            assert_eq!(told, whole, "{name} in pieces of {chunk}");
        }
    }
}

#[test]
fn row_08_the_wrapped_length_byte_yields_meter_number_and_power_factor() {
    let Some(bytes) = capture("dlms-mbus/sagemcom-t210d-netz-noe") else { return };
    let told = read(Protocol::DlmsMbus, settings(Some(SAGEMCOM_KEY), None), &bytes);
    let telegram = told[0].telegram();
    assert_eq!(telegram.meter_number().as_deref(), Some("178210431186"));
    telegram.check(&[("1-0:13.7.0", "0.819")]);
}

#[test]
fn row_09_encrypted_pushes_give_all_their_values() {
    let Some(bytes) = capture("dlms-mbus/kaifa-netz-noe-spec") else { return };
    let told = read(Protocol::DlmsMbus, settings(Some(NETZ_NOE_KEY), None), &bytes);
    let kaifa = told[0].telegram();
    assert_eq!(kaifa.time.as_deref(), Some("2021-09-27T09:47:15+02:00"));
    assert_eq!(kaifa.meter_number().as_deref(), Some("181220000009"));
    assert_eq!(kaifa.authenticated, Some(false));
    kaifa.check(&[
        ("1-0:1.8.0", "12937 Wh"),
        ("1-0:2.8.0", "0 Wh"),
        ("1-0:1.7.0", "0 W"),
        ("1-0:2.7.0", "0 W"),
        ("1-0:32.7.0", "233.7 V"),
        ("1-0:52.7.0", "0.0 V"),
        ("1-0:72.7.0", "0.0 V"),
        ("1-0:31.7.0", "0.00 A"),
        ("1-0:13.7.0", "1.000"),
    ]);
    let Some(bytes) = capture("dlms-mbus/sagemcom-t210d-netz-noe") else { return };
    let told = read(Protocol::DlmsMbus, settings(Some(SAGEMCOM_KEY), None), &bytes);
    let sagemcom = told[0].telegram();
    assert_eq!(sagemcom.time.as_deref(), Some("2023-04-14T17:56:05+02:00"));
    sagemcom.check(&[
        ("1-0:1.8.0", "627660 Wh"),
        ("1-0:2.8.0", "0 Wh"),
        ("1-0:1.7.0", "515 W"),
        ("1-0:2.7.0", "0 W"),
        ("1-0:32.7.0", "232.9 V"),
        ("1-0:52.7.0", "236.5 V"),
        ("1-0:72.7.0", "237.2 V"),
        ("1-0:31.7.0", "0.85 A"),
        ("1-0:51.7.0", "0.94 A"),
        ("1-0:71.7.0", "1.18 A"),
    ]);
    // Security control 21, nested list.
    let Some(bytes) = capture("dlms-mbus/kaifa-tinetz-spec") else { return };
    let told = read(Protocol::DlmsMbus, settings(Some("101112131415161718191A1B1C1D1E1F"), None), &bytes);
    assert!(told[0].telegram().has("1-0:1.8.0"));
}

const DUMMY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const DUMMY_AUTH: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

#[test]
fn row_10_a_tag_is_verified_and_one_flipped_bit_is_refused() {
    let Some(bytes) = capture("p1-encrypted/s5-t210-d-r-authenticated") else { return };
    let told = read(Protocol::P1, settings(Some(DUMMY), Some(DUMMY_AUTH)), &bytes);
    assert_eq!(telegrams(&told).len(), 3);
    assert!(telegrams(&told).iter().all(|telegram| telegram.authenticated == Some(true)));
    let telegram_len = bytes.len() / 3;
    // From the security control byte to the last byte of the tag, and in the authentication key.
    for at in (13..telegram_len).step_by(3) {
        let mut damaged = bytes[..telegram_len].to_vec();
        damaged[at] ^= 0x01;
        let told = read(Protocol::P1, settings(Some(DUMMY), Some(DUMMY_AUTH)), &damaged);
        assert!(telegrams(&told).is_empty(), "byte {at}");
    }
    let wrong = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";
    let told = read(Protocol::P1, settings(Some(DUMMY), Some(wrong)), &bytes);
    assert_eq!(told, vec![Told::Refused(Code::AuthenticationFailed); 3]);
}

#[test]
fn row_11_three_data_notifications_of_a_t210_d() {
    let Some(bytes) = capture("dlms-mbus/s4-t210-d-fa-length") else { return };
    let key = "000102030405060708090a0b0c0d0e0f";
    let told = read(Protocol::DlmsMbus, settings(Some(key), None), &bytes);
    let expected = [
        (
            "2023-08-16T17:19:30+02:00",
            ["9003574 Wh", "2009 W", "231.3 V", "230.1 V", "231.4 V", "0.80 A", "0.936"],
        ),
        (
            "2023-08-16T17:19:35+02:00",
            ["9003576 Wh", "1420 W", "231.5 V", "230.0 V", "231.3 V", "0.78 A", "0.946"],
        ),
        (
            "2023-08-16T17:19:40+02:00",
            ["9003578 Wh", "1433 W", "231.6 V", "229.9 V", "231.0 V", "0.80 A", "0.945"],
        ),
    ];
    assert_eq!(telegrams(&told).len(), 3);
    for (telegram, (time, values)) in telegrams(&told).into_iter().zip(expected) {
        assert_eq!(telegram.time.as_deref(), Some(time));
        assert_eq!(telegram.meter_number().as_deref(), Some("178210267389"));
        for (obis, value) in
            ["1.8.0", "1.7.0", "32.7.0", "52.7.0", "72.7.0", "31.7.0", "13.7.0"].into_iter().zip(values)
        {
            assert_eq!(telegram.value(obis), value, "{obis}");
        }
    }
}

#[test]
fn row_14_encrypted_and_plain_p1_and_the_damaged_one_refused() {
    let Some(bytes) = capture("p1/s5-t210-d-r-plain") else { return };
    let told = read(Protocol::P1, Settings::default(), &bytes);
    let energies: Vec<_> = telegrams(&told).iter().map(|telegram| telegram.value("1-0:1.8.0")).collect();
    assert_eq!(energies, ["9053098 Wh", "9053099 Wh", "9053101 Wh"]);
    let Some(bytes) = capture("p1-encrypted/s5-t210-d-r-authenticated-bit-flip") else { return };
    let told = read(Protocol::P1, settings(Some(DUMMY), Some(DUMMY_AUTH)), &bytes);
    assert_eq!(telegrams(&told).len(), 2);
    assert!(matches!(told[1], Told::Refused(_)), "the second of three is damaged");
    let Some(bytes) = capture("p1-encrypted/sagemcom-t210-d-r-steiermark") else { return };
    let told = read(Protocol::P1, settings(Some("953E7F1725EA910F26E053813A639094"), None), &bytes);
    assert_eq!(telegrams(&told)[0].registers.len(), 18);
}

#[test]
fn row_15_the_fixed_authentication_key_of_luxembourg_verifies() {
    let Some(bytes) = capture("p1-encrypted/lux-smarty-spec-authenticated") else { return };
    let luxembourg = "00112233445566778899AABBCCDDEEFF";
    let told = read(Protocol::P1, settings(Some(DUMMY), Some(luxembourg)), &bytes);
    let telegram = told[0].telegram();
    assert_eq!(telegram.authenticated, Some(true));
    assert_eq!(telegram.registers.len(), 64);
}
