//! What the benchmark says, for people.

use std::fmt::Write as _;

use super::memory::Memory;
use super::report::{Rate, Report, Row};

/// The report as text.
pub fn table(report: &Report) -> String {
    let machine = &report.machine;
    let mut text = format!(
        "\n{} cores, {} GiB, {}, PostgreSQL {}\nload generator: {}\n{}\n\n",
        machine.cores,
        machine.memory_gib,
        machine.cpu,
        machine.postgres,
        machine.load_generator,
        machine.note
    );
    text += "row   what               ours       limit  ratio  target   p50 ms   p99 ms   CPU µs: ours  postgres  bench  limit  others\n";
    for row in &report.rows {
        line(&mut text, row);
    }
    for row in &report.rows {
        if let Some(rates) = &row.rates {
            text += "\nB5, ms from the start of the call to the first byte at the receiver\n";
            text += "  events/s     p50     p95     p99   answer p50   bare POST p50   after the answer p50   generator late p99\n";
            for rate in rates {
                rate_line(&mut text, rate);
            }
        }
    }
    for workers in report.rows.iter().filter_map(|row| row.workers.as_ref()).flatten() {
        let _ = writeln!(
            text,
            "\nB9 with {} workers: {:.0}/s, {:.0} µs of CPU each, {} made twice",
            workers.count, workers.per_second, workers.cpu_us, workers.duplicates
        );
    }
    for memory in report.rows.iter().filter_map(|row| row.memory.as_ref()) {
        memory_lines(&mut text, memory);
    }
    text
}

fn memory_lines(text: &mut String, memory: &Memory) {
    let _ = writeln!(
        text,
        "\nB10, MiB: api {:.1} idle, {:.1} under load; worker {:.1} idle, {:.1} under load, {:.2} more than idle for each \
         request that a hostile receiver holds; {:+.2} a minute; idle, {:.2} % of a core",
        memory.api_idle_mib,
        memory.api_load_mib,
        memory.worker_idle_mib,
        memory.worker_load_mib,
        memory.worker_hostile_mib_per_request,
        memory.drift_mib_per_minute,
        memory.idle_cpu_percent,
    );
}

fn line(text: &mut String, row: &Row) {
    let what = match row.id {
        "B1" => "creates/s",
        "B2" => "gets/s",
        "B3" => "pages/s",
        "B4" | "B6" | "B9" => "deliveries/s",
        "B7" => "p99 ms at 10/s",
        "B8" => "imported/s",
        "B10" => "MiB at most",
        _ => "p50 ms at 50/s",
    };
    let digits = if row.unit == "per_second" { 0 } else { 2 };
    let percentile = |ms: Option<f64>| ms.map_or_else(|| "–".into(), |ms| format!("{ms:.2}"));
    let _ = writeln!(
        text,
        "{:<5} {what:<14} {:>8.digits$} {:>11.digits$} {:>6.2} {:>7.2} {:>8} {:>8} {:>15.0} {:>9.0} {:>6.0} {:>6.0} {:>6.0}%",
        row.id,
        row.ours,
        row.limit,
        row.ratio,
        row.target,
        percentile(row.p50_ms),
        percentile(row.p99_ms),
        row.cpu_us.ours,
        row.cpu_us.postgres,
        row.bench_us,
        row.cpu_us.limit,
        row.others_percent,
    );
}

fn rate_line(text: &mut String, rate: &Rate) {
    let _ = writeln!(
        text,
        "{:>10} {:>7.2} {:>7.2} {:>7.2} {:>12.2} {:>15.2} {:>22.2} {:>20.2}",
        rate.per_second,
        rate.p50_ms,
        rate.p95_ms,
        rate.p99_ms,
        rate.answer_p50_ms,
        rate.bare_p50_ms,
        rate.after_answer_p50_ms,
        rate.late_p99_ms,
    );
}
