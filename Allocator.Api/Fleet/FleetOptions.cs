using Allocator.Api.Settings;

namespace Allocator.Api.Fleet;

/// <summary>The section <c>Fleet</c> of the configuration: how a replica follows the database.</summary>
internal sealed class FleetOptions
{
    public const string Section = "Fleet";

    [Setting("The time between two queries of the feed for changes.", Min = "00:00:00.01", Max = "00:00:10")]
    public TimeSpan FeedInterval { get; set; } = TimeSpan.FromMilliseconds(400);

    [Setting("How many VMs that this replica does not know yet are read from the database at the same time.", Min = 1, Max = 50)]
    public int ReadThroughConcurrency { get; set; } = 2;

    [Setting("How long the result of such a read is kept, so that a VM cannot cause a read with every poll.", Min = "00:00:00.1", Max = "00:01:00")]
    public TimeSpan ReadThroughMemory { get; set; } = TimeSpan.FromSeconds(2);
}
