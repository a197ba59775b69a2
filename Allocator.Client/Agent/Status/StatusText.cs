using System.Globalization;
using Allocator.Client.Terminal;
using Allocator.Contracts;
using Allocator.Polling;

namespace Allocator.Client.Agent.Status;

/// <summary>Describes a client's status in one line. Every user of the machine can read it, so it does not name the person.</summary>
internal static class StatusText
{
    public static string Line(ClientStatus status, TimeProvider time)
    {
        var now = time.GetUtcNow();
        var state = State(status);
        var next = status.NextPollAt is not { } due ? ""
            : due > now ? $", next within {Math.Ceiling((due - now).TotalSeconds):0} s"
            : ", polling";
        return status switch
        {
            { StoppedAt: not null } => $"{state}, stopped",
            { PolledAt: null } => $"{state}, no poll yet{next}",
            { FailedPolls: > 0, LastFailure: { } failure } =>
                $"{state}, {(status.AnsweredAt is { } answered ? $"no answer since {Clock(answered, time)}" : "no answer yet")}: "
                    + $"{OneLine(failure.Why)}{next}",
            { PolledAt: { } polled } => $"{state}, last poll {Clock(polled, time)}{next}",
        };
    }

    public static string State(ClientStatus status) => status switch
    {
        { Enrolled: false } => "not enrolled",
        { LastRun: { EndedAt: null, For: VmState.Assigned } } => "assigned, hook running",
        { LastRun: { EndedAt: null, For: VmState.Cleaning } } => "cleaning, hook running",
        { Answer: { } answer } => Options.WireName(answer.State),
        _ => "enrolled",
    };

    public static string Clock(DateTimeOffset at, TimeProvider time) =>
        TimeZoneInfo.ConvertTime(at, time.LocalTimeZone).ToString("HH:mm:ss", CultureInfo.InvariantCulture);

    public static string OneLine(string text) => PlainText.Strip(new([.. text.Take(300).Select(c => char.IsControl(c) ? ' ' : c)]));
}
