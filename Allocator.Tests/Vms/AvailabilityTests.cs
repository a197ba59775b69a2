using System.Net.Http.Json;
using Allocator.Api.Assignments;
using Allocator.Api.Polling;
using Allocator.Api.Vms;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Allocator.Tests.Vms;

/// <summary>Every query for available VMs gives the same result, for every reason why a VM is not available.</summary>
public sealed class AvailabilityTests(PostgresServer server)
{
    /// <summary>The reasons that an update of the VM's row can cause; the other two require a person.</summary>
    private static readonly Dictionary<string, string> Updates = new()
    {
        ["held"] = "hold = 'held'",
        ["draining"] = "hold = 'draining'",
        ["retired"] = "hold = 'retired'",
        ["initializing"] = "status = 'initializing'",
        ["error"] = "status = 'error'",
        ["rebooting"] = "status = 'rebooting'",
        ["gpu_unhealthy"] = "gpu = 'unhealthy'",
        ["lost"] = "lost_at = clock()",
    };

    [Fact]
    public void A_reason_that_only_a_newer_schema_knows_is_explained_in_general()
    {
        var vm = new VmDetail(new Vm
        {
            Hostname = "vm-1",
            Pool = "default",
            State = VmState.Free,
            Status = VmStatus.Running,
            Presence = VmPresence.Present,
            Hold = null,
            Gpu = null,
            InUse = null,
            Free = false,
            Generation = 1,
            AssignmentId = null,
            Email = null,
            EnrolledAt = default,
            PolledAt = default,
        })
        {
            StatusDetail = null,
            BootId = null,
            CleaningSince = null,
            Startup = null,
        };

        Assert.Equal(
            [
                new("added_later", "It is not free, for a reason that this replica does not know yet."),
                new("rebooting", "It reboots; it comes back when it reports that it is running."),
            ],
            UnavailableReasons.Explain(["added_later", "rebooting"], vm));
    }

    [Fact]
    public async Task Every_reason_holds_for_claim_move_assign_estimate_counts_details_and_lists()
    {
        // No job may change the VMs meanwhile.
        await using var deployment = await Deployment.StartAsync(server, settings: new() { ["Liveness:SweepInterval"] = "00:10:00" });
        string[] reasons = ["assigned", "cleaning", .. Updates.Keys];
        Assert.Equal(reasons, UnavailableReasons.All.Select(reason => reason.Code));
        var vms = (await deployment.EnrolFreeAsync([.. reasons.Select(Hostname)])).ToDictionary(vm => vm.Hostname);
        await deployment.AskAsync("assigned@example.org");
        await vms["assigned"].PollUntilAsync(VmState.Assigned);
        var ended = await deployment.AskAsync("cleaning@example.org");
        await vms["cleaning"].PollUntilAsync(VmState.Assigned);
        await deployment.EndAsync(ended.Id);
        await deployment.ExecuteAsync(
            """
            update vms set cleaned_in = interval '1 minute' where hostname = 'cleaning';
            update assignments set expires_at = clock() + interval '1 hour' where live_hostname = 'assigned'
            """);
        foreach (var (reason, update) in Updates)
        {
            await deployment.ExecuteAsync($"update vms set {update} where hostname = '{Hostname(reason)}'");
        }
        foreach (var vm in vms.Values)
        {
            await deployment.WaitForFleetAsync(vm.Hostname, view => !view.IsFree);
        }
        var waiting = await deployment.AskAsync("waiting@example.org");

        // Details, lists and counts.
        foreach (var reason in reasons)
        {
            var vm = await deployment.FindVmAsync(Hostname(reason));
            Assert.Equal((reason, false), (Assert.Single(vm.NotFreeBecause).Code, vm.Free));
        }
        Assert.Empty((await deployment.Admin.GetFromJsonAsync<Page<Vm>>("/vms?free=true"))!.Items);
        Assert.Equal(reasons.Length, (await deployment.Admin.GetFromJsonAsync<Page<Vm>>("/vms?free=false"))!.Items.Count);
        var pool = await deployment.FindPoolAsync("default");
        Assert.Equal((reasons.Length, 0), (pool.Vms.Total, pool.Vms.Free));
        Assert.Equal(reasons.Select(reason => (reason, 1L)), pool.NotFree.Select(count => (count.Code, count.Vms)));

        // Claims, moves and assignments by name; only a hold does not keep an admin from a VM.
        var polls = deployment.Replica.Services.GetRequiredService<PollStore>();
        foreach (var reason in reasons)
        {
            Assert.IsType<ClaimOutcome.NotFree>(await polls.ClaimAsync(Hostname(reason), "default", default));
            if (reason != "held")
            {
                Assert.Equal((409, "vm-not-free"), await deployment.RefusedAsync(
                    $"/assignments/{waiting.Id}/move", new MoveRequest(Hostname(reason))));
                Assert.Equal((409, "vm-not-free"), await deployment.RefusedAsync(
                    $"/vms/{Hostname(reason)}/assign", new VmAssignmentRequest("other@example.org")));
            }
        }
        Assert.Equal((409, "no-free-vm"), await deployment.RefusedAsync($"/assignments/{waiting.Id}/move", new MoveRequest(null)));

        // Estimates depend on the VM that is only cleaning (within a minute) and the one that only has a person (within an hour).
        Assert.InRange((await EstimateAsync(1))!.Value, 1, 60);
        Assert.InRange((await EstimateAsync(2))!.Value, 61, 3_600);
        Assert.Null(await EstimateAsync(3));
        foreach (var update in Updates.Values)
        {
            await deployment.ExecuteAsync($"update vms set {update} where hostname in ('assigned', 'cleaning')");
            Assert.Null(await EstimateAsync(1));
            await deployment.ExecuteAsync(
                "update vms set hold = null, status = 'running', gpu = 'healthy', lost_at = null where hostname in ('assigned', 'cleaning')");
            Assert.NotNull(await EstimateAsync(2));
        }

        // The hold is the admin's own.
        await deployment.DoAsync($"/assignments/{waiting.Id}/move", new MoveRequest("held"));
        Assert.Equal("held", (await deployment.FindAsync(waiting.Id)).Hostname);

        Task<double?> EstimateAsync(int position) =>
            deployment.Replica.Services.GetRequiredService<WaitEstimate>().SecondsAsync("default", position, default);
    }

    private static string Hostname(string reason) => reason.Replace('_', '-');
}
