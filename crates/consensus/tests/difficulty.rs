//! Targets: the published runs of ASERT, what Python's fractions give to made-up chains
//! (`tests/vectors/asert.json` and `difficulty.json`), and what holds for every chain.

use blocksmith_consensus::difficulty::{Asert, BadCompact, Difficulty, DifficultyState, Rounding};
use blocksmith_consensus::json::{Value, canonical};
use blocksmith_consensus::{Target, U256};
use proptest::collection::vec;
use proptest::prelude::*;

const ASERT: &str = include_str!("../../../tests/vectors/asert.json");
const DIFFICULTY: &str = include_str!("../../../tests/vectors/difficulty.json");

const SPACING_S: u64 = 15;
const LONGEST_GAP_S: u64 = 900;
const EASIEST: Target = bits(16);
const GENESIS: Target = bits(24);

/// What `forge` chains have.
const FORGE: Difficulty = Difficulty::Asert {
    spacing_s: SPACING_S,
    half_life_s: 450,
    easiest: EASIEST,
    longest_gap_s: LONGEST_GAP_S,
};

/// The target that asks for this many zero bits.
const fn bits(zeros: u32) -> Target {
    let high = u128::MAX >> zeros;
    Target(U256::from_words(high, u128::MAX))
}

fn get<'a>(value: Value<'a>, key: &str) -> Value<'a> {
    value.get(key).unwrap_or_else(|| panic!("no {key} in {}", value.text()))
}

fn number(value: Value<'_>) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {}", value.text()))
}

fn string(value: Value<'_>) -> String {
    value.as_str().expect("a string").into_owned()
}

fn target(value: Value<'_>) -> Target {
    string(value).parse().expect("a target")
}

fn compact(value: Value<'_>) -> u32 {
    let text = string(value);
    u32::from_str_radix(text.strip_prefix("0x").expect("hex"), 16).expect("32 bits")
}

/// The difficulty states of a chain: the genesis block's, and one for each gap.
fn difficulty_states(
    rule: Difficulty,
    genesis: Target,
    start: u64,
    gaps: impl IntoIterator<Item = u64>,
) -> Vec<DifficultyState> {
    let mut difficulty_states = vec![DifficultyState::genesis(genesis, start)];
    for gap in gaps {
        let last = difficulty_states[difficulty_states.len() - 1];
        // As a node does that stops and starts again after each block.
        let last = DifficultyState::from_bytes(&last.to_bytes());
        difficulty_states.push(rule.difficulty_state_after(
            genesis,
            &last,
            last.timestamp_s() + gap,
        ));
    }
    difficulty_states
}

/// The target after the last of these gaps, on a forge chain.
fn forge(gaps: impl IntoIterator<Item = u64>) -> Target {
    FORGE.target_after(
        GENESIS,
        difficulty_states(FORGE, GENESIS, 0, gaps).last().expect("a genesis"),
    )
}

#[test]
fn the_twelve_published_runs_of_aserti3_2d_give_the_published_targets() {
    let text = canonical(ASERT.as_bytes()).expect("JSON");
    let asert = Asert {
        spacing_s: 600,
        half_life_s: 172_800,
        easiest: Target::from_compact(0x1d00_ffff).expect("a target"),
        rounding: Rounding::Compact,
    };
    let mut runs = 0;
    for run in get(Value::of_canonical(&text), "runs").elements() {
        let description = string(get(run, "description"));
        let wide = |key| string(get(run, key)).parse::<u64>().expect("a number");
        let (height, start) = (wide("anchor_height"), wide("anchor_parent_time"));
        let anchor = Target::from_compact(compact(get(run, "anchor_bits"))).expect("a target");
        for row in get(run, "rows").elements() {
            let [at, time, bits] = row.elements().collect::<Vec<_>>()[..] else { panic!("a row") };
            let blocks = string(at).parse::<u64>().expect("a height") - height + 1;
            let elapsed_s = i128::from(number(time)) - i128::from(start);
            let found = asert.target(anchor, elapsed_s, blocks).to_compact();
            assert_eq!(found, compact(bits), "{description}, {}", row.text());
        }
        runs += 1;
    }
    assert_eq!(runs, 12);
}

#[test]
fn made_up_chains_have_the_targets_that_python_gives_them() {
    let text = canonical(DIFFICULTY.as_bytes()).expect("JSON");
    let vectors = Value::of_canonical(&text);
    let mut checked = 0;
    for (kind, chain) in ["asert", "epoch"]
        .into_iter()
        .flat_map(|kind| get(vectors, kind).elements().map(move |chain| (kind, chain)))
    {
        let name = string(get(chain, "name"));
        let rule = get(chain, "rule");
        let (spacing_s, easiest) = (number(get(rule, "spacing_s")), target(get(rule, "easiest")));
        let difficulty = match kind {
            "asert" => Difficulty::Asert {
                spacing_s,
                half_life_s: number(get(rule, "half_life_s")),
                easiest,
                longest_gap_s: number(get(rule, "longest_gap_s")),
            },
            _ => Difficulty::Epoch {
                blocks: number(get(rule, "blocks")),
                spacing_s,
                clamp: number(get(rule, "clamp")).try_into().expect("a small number"),
                easiest,
            },
        };
        assert_eq!(difficulty.json(), format!(r#"{{"{kind}": {}}}"#, rule.text()));
        let genesis = target(get(chain, "genesis"));
        let gaps = get(chain, "gaps").elements().flat_map(|run| {
            let [gap, count] = run.elements().collect::<Vec<_>>()[..] else { panic!("a run") };
            std::iter::repeat_n(number(gap), number(count) as usize)
        });
        let difficulty_states =
            difficulty_states(difficulty, genesis, number(get(chain, "start")), gaps);
        for row in get(chain, "targets").elements() {
            let [block, expected] = row.elements().collect::<Vec<_>>()[..] else { panic!("a row") };
            let (block, expected) = (number(block) as usize, target(expected));
            let found = difficulty.target_after(genesis, &difficulty_states[block - 2]);
            assert_eq!(found, expected, "{name}, block {block}");
            if let Some(difficulty_state) = difficulty_states.get(block - 1) {
                assert_eq!(
                    (difficulty_state.target(), difficulty_state.height()),
                    (expected, block as u64 - 1),
                    "{name}"
                );
            }
            checked += 1;
        }
    }
    assert!(checked > 2000, "{checked}");
}

#[test]
fn compact_forms_are_those_of_python_and_of_bitcoins_own_tests() {
    let text = canonical(DIFFICULTY.as_bytes()).expect("JSON");
    for row in get(Value::of_canonical(&text), "compact").elements() {
        let [full, bits, kept] = row.elements().collect::<Vec<_>>()[..] else { panic!("a row") };
        assert_eq!(target(full).to_compact(), compact(bits), "{}", row.text());
        assert_eq!(Target::from_compact(compact(bits)), Ok(target(kept)), "{}", row.text());
    }
    // Bitcoin Core, src/test/arith_uint256_tests.cpp, bignum_SetCompact.
    let negative = |bits| Err(BadCompact::Negative { bits });
    let overflow = |bits| BadCompact::Overflow { bits };
    for (bits, expected) in [
        (0, Ok((0, 0))),
        (0x0012_3456, Ok((0, 0))),
        (0x0100_3456, Ok((0, 0))),
        (0x0200_0056, Ok((0, 0))),
        (0x0300_0000, Ok((0, 0))),
        (0x0400_0000, Ok((0, 0))),
        (0x0092_3456, Ok((0, 0))),
        (0x0180_3456, Ok((0, 0))),
        (0x0280_0056, Ok((0, 0))),
        (0x0380_0000, Ok((0, 0))),
        (0x0480_0000, Ok((0, 0))),
        (0x0112_3456, Ok((0x12, 0x0112_0000))),
        (0x01fe_dcba, negative(0x01fe_dcba)),
        (0x0212_3456, Ok((0x1234, 0x0212_3400))),
        (0x0312_3456, Ok((0x12_3456, 0x0312_3456))),
        (0x0412_3456, Ok((0x1234_5600, 0x0412_3456))),
        (0x0492_3456, negative(0x0492_3456)),
        (0x0500_9234, Ok((0x9234_0000, 0x0500_9234))),
        (0xff12_3456, Err(overflow(0xff12_3456))),
    ] {
        let found = Target::from_compact(bits);
        assert_eq!(
            found.map(|target| (target.0.as_u64(), target.to_compact())),
            expected,
            "{bits:#010x}"
        );
    }
    // The last that fit and the first that don't, by the number of digits.
    for (bits, fits) in [
        (0x207f_ffff, true),
        (0x2100_ffff, true),
        (0x2101_0000, false),
        (0x2200_00ff, true),
        (0x2200_0100, false),
        (0x2300_0001, false),
        (0xff00_0000, true),
    ] {
        let expected = if fits { Ok(()) } else { Err(overflow(bits)) };
        assert_eq!(Target::from_compact(bits).map(|_| ()), expected, "{bits:#010x}");
    }
    let refused = Target::from_compact(0x0492_3456).expect_err("negative");
    assert_eq!(refused.to_string(), "the compact target 0x04923456 is negative");
}

#[test]
fn the_first_three_blocks_have_the_genesis_target_however_long_the_network_waited() {
    for wait in [0, 15, 86_400, 1_700_000_000] {
        let difficulty_states = difficulty_states(FORGE, GENESIS, 0, [wait, 15, 15, 16]);
        let targets: Vec<Target> = difficulty_states.iter().map(DifficultyState::target).collect();
        assert_eq!(targets, [GENESIS; 5]);
        let late = FORGE.target_after(GENESIS, &difficulty_states[4]);
        assert!(late > GENESIS, "one second late: {late}");
    }
}

#[test]
fn blocks_on_time_keep_the_target_for_100_000_blocks() {
    let mut difficulty_state = DifficultyState::genesis(GENESIS, 0);
    for _ in 0..100_000 {
        difficulty_state = FORGE.difficulty_state_after(
            GENESIS,
            &difficulty_state,
            difficulty_state.timestamp_s() + SPACING_S,
        );
        assert_eq!(difficulty_state.target(), GENESIS);
    }
    assert_eq!(difficulty_state.elapsed_s(), 15 * 99_999);
}

#[test]
fn a_night_of_sleep_counts_as_the_longest_gap() {
    for evening in [[3; 200], [15; 200], [24; 200]] {
        let asleep = |gap: u64| evening.into_iter().chain([gap]);
        let (dusk, dawn) = (forge(evening), forge(asleep(12 * 3600)));
        assert_eq!(dawn, forge(asleep(LONGEST_GAP_S)));
        // 900 s less the 15 s of the block are 1.97 half-lives.
        let ratio = dawn.0.as_f64() / dusk.0.as_f64();
        assert!(dawn == EASIEST || (ratio - 2f64.powf(885. / 450.)).abs() < 0.001, "{ratio}");
        for morning in [[3; 50], [15; 50]] {
            assert_eq!(
                forge(asleep(12 * 3600).chain(morning)),
                forge(asleep(LONGEST_GAP_S).chain(morning))
            );
        }
    }
}

#[test]
fn a_miner_who_walks_a_night_in_small_steps_gets_what_the_night_would_have_given() {
    let evening = [3; 4000];
    let boundless = Difficulty::Asert {
        spacing_s: SPACING_S,
        half_life_s: 450,
        easiest: EASIEST,
        longest_gap_s: u64::MAX,
    };
    let walked = evening.into_iter().chain([LONGEST_GAP_S; 48]);
    // One block after the night, and 47 that take no time.
    let slept = evening.into_iter().chain([12 * 3600]).chain([0; 47]);
    let expected = boundless.target_after(
        GENESIS,
        difficulty_states(boundless, GENESIS, 0, slept).last().expect("one"),
    );
    assert_eq!(forge(walked), expected);
    assert!(GENESIS.0 > expected.0 && expected.0 > U256::ONE, "not at an end: {expected}");
}

/// Who mines in private may let the clock stand still until the fork is published: no rule forbids
/// a block at its parent's time. Each block is dearer then, and nothing is won by it.
#[test]
fn a_frozen_clock_on_a_private_fork_makes_blocks_dearer_and_wins_nothing() {
    let target = |difficulty_state: &DifficultyState| FORGE.target_after(GENESIS, difficulty_state);
    let honest = difficulty_states(FORGE, GENESIS, 0, [SPACING_S; 241]);
    let frozen = difficulty_states(FORGE, GENESIS, 0, [SPACING_S].into_iter().chain([0; 240]));
    // The work doubles with each half-life by which the schedule is ahead: 30 blocks here.
    for doubled in 1..=8_u32 {
        let (expected, found) =
            (GENESIS.0 >> doubled, target(&frozen[1 + 30 * doubled as usize]).0);
        assert!(found <= expected + (expected >> 12) && found >= expected - (expected >> 12));
    }
    // With the tries that an hour of honest blocks took, the fork comes to a third of their number,
    // and so of their coins; its work is what was tried, as everybody's.
    let work = |difficulty_states: &[DifficultyState]| {
        difficulty_states
            .iter()
            .map(|difficulty_state| target(difficulty_state).work())
            .sum::<U256>()
    };
    let tries = work(&honest[1..]);
    let blocks = (1..frozen.len()).take_while(|end| work(&frozen[1..*end]) <= tries).count();
    assert!((70..90).contains(&blocks), "{blocks}");
    // When its clock goes on, it is where an honest chain of that height and time would be.
    let thawed = later(&frozen, [LONGEST_GAP_S; 4]);
    let on_time = later(&honest, [0; 4]);
    assert_eq!(target(&thawed), target(&on_time));
}

/// The difficulty state after some more gaps.
fn later(before: &[DifficultyState], gaps: [u64; 4]) -> DifficultyState {
    let last = before[before.len() - 1];
    gaps.into_iter().fold(last, |difficulty_state, gap| {
        FORGE.difficulty_state_after(
            GENESIS,
            &difficulty_state,
            difficulty_state.timestamp_s() + gap,
        )
    })
}

/// Bitcoin's rule as it is: the first gap of an epoch is not measured, and timestamps may go back.
fn bitcoins_targets(blocks: usize, spacing_s: u64, genesis: Target, times: &[u64]) -> Vec<Target> {
    let expected = blocks as u64 * spacing_s;
    let mut targets = vec![genesis];
    for epoch in times.chunks_exact(blocks) {
        let took = (epoch[blocks - 1].saturating_sub(epoch[0])).clamp(expected / 4, expected * 4);
        let Target(last) = targets[targets.len() - 1];
        targets.push(Target(last / U256::from(expected) * U256::from(took)));
    }
    targets
}

#[test]
fn timewarp_lifts_bitcoins_target_and_leaves_ours() {
    const BLOCKS: usize = 20;
    const EPOCHS: usize = 12;
    let spacing_s = 600;
    let genesis = bits(60);
    let rule = Difficulty::Epoch { blocks: 20, spacing_s, clamp: 4, easiest: bits(1) };
    // All blocks come on time. The warped ones say so only at the end of each epoch; the others
    // pretend that hardly any time has passed since the chain's first day.
    let honest: Vec<u64> = (0..(BLOCKS * EPOCHS) as u64).map(|block| spacing_s * block).collect();
    let warped: Vec<u64> = (0..honest.len())
        .map(|at| if at % BLOCKS == BLOCKS - 1 { honest[at] } else { at as u64 })
        .collect();

    let fooled = bitcoins_targets(BLOCKS, spacing_s, genesis, &warped);
    assert!(fooled[EPOCHS].0 > genesis.0 << 15_u32, "2^15 times easier within 12 epochs");

    // Ours never goes back, wherever in an epoch the true time is told.
    for told in 0..BLOCKS {
        let mut difficulty_state = DifficultyState::genesis(genesis, 0);
        for (at, now) in honest.iter().enumerate() {
            let time = if at % BLOCKS == told { *now } else { at as u64 };
            difficulty_state = rule.difficulty_state_after(genesis, &difficulty_state, time);
            assert!(difficulty_state.target() <= genesis, "block {}, told {told}", at + 2);
        }
    }
}

#[test]
fn a_rule_with_zeros_is_the_rule_with_ones() {
    let gaps = [3, 0, 7, 1, 40, 2, 0, 0, 1];
    let epoch = |blocks, spacing_s, clamp| {
        let rule = Difficulty::Epoch { blocks, spacing_s, clamp, easiest: EASIEST };
        difficulty_states(rule, GENESIS, 0, gaps)
    };
    assert_eq!(epoch(0, 1, 0), epoch(1, 1, 1));
    assert_eq!(epoch(1, 0, 9), epoch(1, 1, 9));
    let asert = |half_life_s, longest_gap_s| {
        let rule = Difficulty::Asert { spacing_s: 3, half_life_s, easiest: EASIEST, longest_gap_s };
        difficulty_states(rule, GENESIS, 0, gaps)
    };
    assert_eq!(asert(0, 9), asert(1, 9));
    let nowhere =
        Difficulty::Epoch { blocks: 1, spacing_s: 9, clamp: 1, easiest: Target(U256::ZERO) };
    assert_eq!(
        nowhere.target_after(GENESIS, &DifficultyState::genesis(GENESIS, 0)),
        Target(U256::ONE)
    );
}

#[test]
fn targets_stop_at_the_ends_of_their_range() {
    let (whole, most) = (Target(U256::MAX), Target(U256::from_words(3 << 126, 0)));
    let asert =
        Asert { spacing_s: u64::MAX, half_life_s: 450, easiest: whole, rounding: Rounding::None };
    for (elapsed_s, blocks, expected) in [
        (0, 0, most),
        // 2^0.9 times 3/4 of the range, 2^300 times, and all that a number holds.
        (405, 0, whole),
        (300 * 450, 0, whole),
        (i128::MAX, 0, whole),
        (i128::MIN, 0, Target(U256::ONE)),
        (0, 1, Target(U256::ONE)),
        (i128::MIN, u64::MAX, Target(U256::ONE)),
        (i128::from(u64::MAX), 1, most),
    ] {
        assert_eq!(asert.target(most, elapsed_s, blocks), expected, "{elapsed_s}, {blocks}");
    }
    let epoch = Difficulty::Epoch { blocks: 1, spacing_s: 10, clamp: 4, easiest: whole };
    let slow = difficulty_states(epoch, most, 0, [0, 14]);
    assert_eq!(epoch.target_after(most, &slow[2]), whole);
}

#[test]
fn a_fixed_target_stays() {
    let rule = Difficulty::Fixed(Target::from_zeros(4));
    for difficulty_state in difficulty_states(rule, Target::from_zeros(9), 5, [0, 1, 86_400]) {
        assert_eq!(
            rule.target_after(Target::from_zeros(9), &difficulty_state),
            Target::from_zeros(4)
        );
        assert_eq!(difficulty_state.elapsed_s(), 0);
    }
    assert_eq!(rule.json(), format!(r#"{{"fixed": "{}"}}"#, Target::from_zeros(4)));
}

#[test]
fn a_pace_is_56_bytes_in_a_fixed_order() {
    let difficulty_state =
        FORGE.difficulty_state_after(GENESIS, &DifficultyState::genesis(GENESIS, 7), 0x0102_0304);
    let difficulty_state = FORGE.difficulty_state_after(GENESIS, &difficulty_state, 0x0102_0306);
    let expected = [
        &[0, 0, 0, 0, 0, 0, 0, 2][..],
        &[0, 0, 0, 0, 1, 2, 3, 6],
        &[0, 0, 0, 0, 0, 0, 0, 2],
        &[0, 0, 0],
        &[255; 29],
    ]
    .concat();
    assert_eq!(difficulty_state.to_bytes()[..], expected);
}

fn any_target() -> impl Strategy<Value = Target> {
    (any::<u128>(), any::<u128>(), 0..256_u32)
        .prop_map(|(high, low, shift)| Target(U256::from_words(high, low) >> shift))
}

fn any_seconds() -> impl Strategy<Value = u64> {
    prop_oneof![0..2000_u64, any::<u64>(), Just(0), Just(u64::MAX), Just(u64::MAX - 1)]
}

fn any_rule() -> impl Strategy<Value = Difficulty> {
    let epoch = (any_seconds(), any_seconds(), any::<u32>(), any_target());
    let asert = (any_seconds(), any_seconds(), any_target(), any_seconds());
    prop_oneof![
        epoch.prop_map(|(blocks, spacing_s, clamp, easiest)| Difficulty::Epoch {
            blocks,
            spacing_s,
            clamp,
            easiest
        }),
        asert.prop_map(|(spacing_s, half_life_s, easiest, longest_gap_s)| Difficulty::Asert {
            spacing_s,
            half_life_s,
            easiest,
            longest_gap_s
        }),
    ]
}

proptest! {
    #[test]
    fn no_input_overflows_and_no_target_is_zero(
        rule in any_rule(),
        genesis in any_target(),
        bytes in any::<[[u8; 28]; 2]>(),
        times in vec(any_seconds(), 0..20),
    ) {
        let mut difficulty_state = DifficultyState::from_bytes(&bytes.concat().try_into().expect("56 bytes"));
        prop_assert_eq!(difficulty_state.to_bytes()[..].to_vec(), bytes.concat());
        for time in times {
            difficulty_state = rule.difficulty_state_after(genesis, &difficulty_state, time);
            prop_assert!(difficulty_state.target().0 > U256::ZERO);
        }
    }

    #[test]
    fn a_later_block_never_makes_the_next_one_harder(
        rule in any_rule(),
        genesis in any_target(),
        gaps in vec(0..100_000_u64, 1..40),
        sooner in any_seconds(),
        later in any_seconds(),
    ) {
        let last = *difficulty_states(rule, genesis, 0, gaps).last().expect("a genesis");
        let (sooner, later) = (sooner.min(later), sooner.max(later));
        let after = |time| rule.target_after(genesis, &rule.difficulty_state_after(genesis, &last, time));
        prop_assert!(after(sooner) <= after(later));
    }

    #[test]
    fn the_clock_counts_every_second_once_whatever_the_timestamps_say(
        times in vec(0..100_000_u64, 2..100),
        blocks in 1..9_u64,
        longest_gap_s in 0..5000_u64,
    ) {
        let epoch = Difficulty::Epoch { blocks, spacing_s: 9, clamp: 4, easiest: EASIEST };
        let asert =
            Difficulty::Asert { spacing_s: 9, half_life_s: 99, easiest: EASIEST, longest_gap_s };
        let (mut by_epoch, mut by_asert) = (DifficultyState::genesis(GENESIS, 0), DifficultyState::genesis(GENESIS, 0));
        let mut former_epochs = 0;
        for time in &times {
            if by_epoch.height() > 1 && (by_epoch.height() - 1) % blocks == 0 {
                former_epochs += by_epoch.elapsed_s();
            }
            by_epoch = epoch.difficulty_state_after(GENESIS, &by_epoch, *time);
            by_asert = asert.difficulty_state_after(GENESIS, &by_asert, *time);
            let passed = by_epoch.timestamp_s() - times[0];
            if (by_epoch.height() - 1) % blocks != 0 {
                prop_assert_eq!(former_epochs + by_epoch.elapsed_s(), passed);
            }
            prop_assert!(by_asert.elapsed_s() <= passed);
        }
    }

    #[test]
    fn a_half_life_ahead_halves_the_target_exactly(
        anchor in any_target(),
        half_life_s in 1..u64::from(u32::MAX),
        behind_s in 0..1_i128 << 40,
        lives in 0..300_u32,
    ) {
        let asert = Asert {
            spacing_s: 15,
            half_life_s,
            easiest: Target(U256::MAX),
            rounding: Rounding::None,
        };
        let at = |behind_s| asert.target(anchor, behind_s, 0);
        let lives_s = i128::from(half_life_s) * i128::from(lives);
        let shifted = |Target(target): Target| {
            Target(target.checked_shr(lives).unwrap_or(U256::ZERO).max(U256::ONE))
        };
        // On one side of the schedule; a target at the end of the range is no longer the formula's.
        prop_assert_eq!(at(-behind_s - lives_s), shifted(at(-behind_s)));
        let late = at(behind_s + lives_s);
        if late < Target(U256::MAX) {
            prop_assert_eq!(at(behind_s), shifted(late));
        }
        // From the schedule itself, nothing is rounded.
        prop_assert_eq!(at(-lives_s), shifted(Target(anchor.0.max(U256::ONE))));
    }

    #[test]
    fn no_target_is_above_the_easiest(
        anchor in any_target(),
        easiest in any_target(),
        elapsed_s in any::<i128>(),
        blocks in any::<u64>(),
        compact in any::<bool>(),
    ) {
        let rounding = if compact { Rounding::Compact } else { Rounding::None };
        let asert = Asert { spacing_s: 15, half_life_s: 450, easiest, rounding };
        let found = asert.target(anchor, elapsed_s, blocks);
        prop_assert!(found.0 >= U256::ONE && found.0 <= easiest.0.max(U256::ONE));
    }
}
