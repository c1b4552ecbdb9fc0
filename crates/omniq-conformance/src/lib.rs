//! The exam that every storage of OmniQ sits.
//!
//! A storage is what this exam says, not what the first one happens to do. Its crate has one test file:
//!
//! ```
//! # use std::sync::Arc;
//! # fn open_yours() -> Arc<dyn omniq_core::Storage> { unreachable!() }
//! use omniq_conformance::Subject;
//!
//! fn open() -> Subject {
//!     Subject::new(open_yours())
//! }
//!
//! omniq_conformance::suite!(open);
//! # fn main() {}
//! ```
//!
//! Each question is one test. Each finds an empty storage in which bystanders are planted first: tasks of
//! every status that no question may touch, compared field by field at the end.
//!
//! A storage that several processes may use gives the exam a [second handle](Subject::second) on the same
//! data, so that the questions of what one handle sees of the other mean something.
//!
//! Random questions print their seed; `OMNIQ_TEST_SEED` sets it, and `PROPTEST_CASES` the number of random
//! walks beside the model.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![allow(clippy::unwrap_used)]

mod bystanders;
mod exam;
mod model;
mod orders;
#[macro_use]
mod questions;
mod run;
mod scene;
mod seed;
mod steps;
mod subject;
mod walk;

pub use subject::Subject;

pub(crate) use scene::Scene;

questions! { $
    enqueue {
        answers_in_order_with_rising_ids
        nothing_is_no_work
        a_dropped_batch_lands_whole_or_not_at_all
        an_id_is_never_given_twice
        many_that_are_alike_are_kept_each
        every_field_is_kept
        texts_and_bytes_of_any_kind_are_kept
        the_ends_of_every_range_are_kept
    }
    claim {
        priority_then_eta_then_order_across_lanes
        only_what_the_filter_takes
        never_early
        once_due_stays_due
        what_comes_due_at_once_is_all_claimed
        next_due_is_exact_and_filtered
        no_more_than_the_limit
        other_lanes_cost_nothing
        a_held_back_task_is_never_taken
        a_claimed_task_says_so
        nobody_else_gets_the_same
    }
    parked {
        work_is_taken_at_once
        an_enqueue_wakes_it
        it_is_tried_again_with_the_time_of_the_write
        its_own_time_is_not_used_again
        a_retry_wakes_it
        a_requeue_wakes_it
        a_follow_up_wakes_it
        an_earlier_eta_is_news
        work_for_others_does_not_answer_it
        each_wakes_for_its_own
        no_wake_up_is_lost
        dropped_claims_strand_nothing
    }
    guard {
        a_wrong_lease_changes_nothing
        a_wrong_status_changes_nothing
        an_unknown_task_is_gone
        a_late_worker_changes_nothing
        a_batch_is_answered_in_order
        the_same_change_twice_happens_once
        a_change_from_another_handle_counts
    }
    settle {
        a_success_lands_with_all_its_effects
        a_retry_waits_and_keeps_its_error
        a_failure_is_final
        a_release_refunds_the_attempt
        a_cancel_of_a_pending_task_is_final
        a_cancel_of_a_running_task_keeps_its_owner
        a_requeue_begins_again
        a_reschedule_moves_the_eta
        the_last_errors_are_kept
        nothing_is_a_payload_and_a_result
    }
    lifecycle {
        attempts_run_out
        a_poison_task_crashes_for_the_last_time
        every_refused_wish_leaves_the_task_alone
        an_interval_goes_on_as_a_new_task
    }
    unique {
        the_holder_answers_until_it_is_finished
        one_batch_makes_one_task
        a_key_belongs_to_a_name
        every_end_frees_the_key
        a_cancelled_task_holds_until_it_is_let_go
        a_requeue_meets_the_new_holder
        a_follow_up_may_take_over_the_key
        a_follow_up_that_meets_a_holder_is_left_out
    }
    series {
        a_second_member_is_answered_with_the_live_one
        a_follow_up_beside_a_live_member_is_left_out
        a_requeue_meets_the_live_member
        a_cancel_ends_it
    }
    leases {
        each_lease_is_told_how_it_stands
        a_lease_is_over_after_its_length_unrenewed
        a_renewed_lease_is_not_over
        the_wall_clock_does_not_matter
        a_renewal_may_change_the_length
        a_cancelled_task_that_nobody_lets_go_is_an_orphan
        no_more_orphans_than_the_limit
        a_new_lease_starts_its_own_watch
    }
    progress {
        the_latest_is_kept_for_all_to_see
        a_batch_is_answered_in_order
        a_late_worker_tells_nothing
        a_cancelled_task_tells_until_it_is_let_go
        every_end_keeps_it
        the_next_claim_forgets_it
        a_requeue_forgets_it
        fractions_texts_and_times_of_any_kind_are_kept
    }
    watch {
        an_enqueue_is_called_out
        an_end_is_called_out
        a_cancel_is_called_out
        letting_go_is_called_out
        a_refused_change_is_silent
        a_slow_listener_is_told_to_look
        the_other_handle_hears_of_it
    }
    look {
        the_finished_are_told_from_the_rest
        tasks_come_in_the_order_of_the_ids
        a_list_is_filtered_and_paged
        stats_count_each_lane
        a_purge_takes_old_ends_of_its_statuses
        a_purge_takes_the_oldest_first
        a_purge_spares_what_is_held
    }
    races {
        each_task_goes_to_one_claimer
        every_task_ends_once
        one_key_makes_one_task
    }
    random {
        any_walk_agrees_with_the_model
    }
}
