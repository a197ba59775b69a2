using Allocator.Client.Agent.Processes;
using System.Diagnostics;
using System.Text;
using Allocator.Client.Agent.Reporters;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Allocator.Tests.Client.Agent.Reporters;

/// <summary>Tests the facts that a VM reports, with fake programs in place of the driver and systemctl.</summary>
public sealed class ReportersTests
{
    private int _lastReport;

    [Fact]
    public async Task Gpu_is_healthy_while_the_driver_lists_one()
    {
        await using var harness = Watched();
        var driver = harness.Script("nvidia-smi", "echo \"$@\" > $0.args; echo 'Tesla T4'");
        await harness.RestartAsync(options => options with { GpuProgram = driver });
        await ReceiveAsync(harness, report => report.Gpu == GpuHealth.Healthy);
        Assert.Equal(["--query-gpu=name --format=csv,noheader"], harness.ReadLines("nvidia-smi.args"));

        harness.Script("nvidia-smi", "echo 'Unable to determine the device handle for GPU0000:00:1E.0: GPU is lost.'; echo 'Reboot the system to "
            + "recover this GPU'; exit 15");
        var lost = await ReceiveAsync(harness, report => report.Gpu == GpuHealth.Unhealthy);
        Assert.Equal(
            $"'{driver}' ended with exit code 15: Unable to determine the device handle for GPU0000:00:1E.0: GPU is lost. Reboot the system to "
                + $"recover this GPU",
            lost.Warnings!["gpu"]);
        var heard = harness.Reports.Count;
        await harness.PassPollsAsync(10);
        Assert.Equal(heard, harness.Reports.Count);

        harness.Script("nvidia-smi", "exit 0");
        Assert.Contains("lists no GPU",
            (await ReceiveAsync(harness, report =>
                report.Warnings?["gpu"] is { } words && words.Contains("no GPU", StringComparison.Ordinal))).Warnings!["gpu"]!,
                    StringComparison.Ordinal);
        harness.Script("nvidia-smi", "echo 'Tesla T4'");
        Assert.Null((await ReceiveAsync(harness, report => report.Gpu == GpuHealth.Healthy)).Warnings!["gpu"]);
    }

    [Fact]
    public async Task Hanging_driver_means_unhealthy_and_a_missing_one_absent()
    {
        await using var harness = Watched();
        await harness.RestartAsync(options => options with { GpuProgram = "/no/such/nvidia-smi" });
        Assert.Null((await ReceiveAsync(harness, report => report.Gpu == GpuHealth.Absent)).Warnings!["gpu"]);

        var driver = harness.Script("nvidia-smi", "echo $$ > $0.pid; exec sleep 600");
        await harness.RestartAsync(options => options with { GpuProgram = driver });
        var process = await Wait.ForAsync(() => Task.FromResult(harness.ReadLines("nvidia-smi.pid").FirstOrDefault()), "the driver is running");
        await harness.PassPollsAsync(2);
        harness.HookTime.Advance(TimeSpan.FromSeconds(21));

        var hangs = await ReceiveAsync(harness, report => report.Gpu == GpuHealth.Unhealthy);
        Assert.Contains("did not end within 00:00:20", hangs.Warnings!["gpu"], StringComparison.Ordinal);
        await Wait.UntilAsync(() => !Directory.Exists($"/proc/{process}")
            || File.ReadAllText($"/proc/{process}/stat").Contains(") Z ", StringComparison.Ordinal), "the driver is stopped");
    }

    [Fact]
    public async Task Vm_stays_initializing_until_ready_file_and_command_agree()
    {
        await using var harness = Watched();
        var program = harness.Script("ready", "[ -e $0.done ] || { echo 'the desktop starts'; exit 1; }");
        await harness.RestartAsync(options =>
            options with { ReadyFile = program + ".file", ReadyCommand = [program], Uptime = TimeSpan.FromSeconds(20) });
        var first = await ReceiveAsync(harness, report => report.BootId == "boot-1");
        Assert.Equal(VmStatus.Initializing, first.Status);
        await ReceiveAsync(harness, report => report.Warnings?["ready"] == $"not ready: {program}.file does not exist yet");
        await File.WriteAllTextAsync(program + ".file", "");
        await ReceiveAsync(harness, report => report.Warnings?["ready"] == $"not ready: '{program}' ended with exit code 1: the desktop starts");
        Assert.DoesNotContain(harness.Reports, report => report.Status == VmStatus.Running);
        await File.WriteAllTextAsync(program + ".done", "");
        var ready = await ReceiveAsync(harness, report => report.Status == VmStatus.Running);
        Assert.Null(ready.Warnings!["ready"]);

        var steps = harness.Reports.Last(report => report.Startup is not null).Startup!;
        Assert.Equal(["answered", "clientStarted", "enrolled", "ready"], steps.Keys.Order());
        Assert.Equal(20, steps["clientStarted"]);
        Assert.True(steps["enrolled"] >= 20 && steps["answered"] >= steps["enrolled"] && steps["ready"] > steps["answered"], string.Join(' ', steps));

        // First only the client restarts, then the machine.
        harness.Reports.Clear();
        _lastReport = 0;
        await harness.RestartAsync(options => options with { Uptime = TimeSpan.FromDays(3) });
        await ReceiveAsync(harness, report => report.Status == VmStatus.Running);
        Assert.DoesNotContain(harness.Reports, report => report.Startup is not null);
        harness.Reports.Clear();
        _lastReport = 0;
        await harness.RestartAsync(options => options with { Uptime = TimeSpan.FromSeconds(30), BootId = "boot-2" });
        await ReceiveAsync(harness, report => report.Startup?.ContainsKey("answered") == true);
        Assert.Equal(30, harness.Reports.Last(report => report.Startup is not null).Startup!["clientStarted"]);
    }

    [Theory]
    [InlineData("122 reboot.target start waiting\n123 systemd-reboot.service start waiting\n", true)]
    [InlineData("122 kexec.target start waiting\n", true)]
    [InlineData("122 poweroff.target start waiting\n99 reboot.target stop waiting\n", false)]
    [InlineData("", false)]
    public async Task Reboot_is_reported_at_the_stop_of_the_client(string jobs, bool reboots)
    {
        await using var harness = Watched();
        var systemctl = harness.Script("systemctl", $"[ \"$1\" = list-jobs ] && printf '{jobs.Replace("\n", "\\n", StringComparison.Ordinal)}'");
        await harness.RestartAsync(options => options with { SystemctlProgram = systemctl });
        await ReceiveAsync(harness, report => report.Status == VmStatus.Running);
        await harness.StopAsync();
        Assert.Equal(reboots ? VmStatus.Rebooting : VmStatus.Running, harness.Reports.Last(report => report.Status is not null).Status);
    }

    [Fact]
    public async Task Shutdown_does_not_wait_for_a_hanging_or_missing_systemctl()
    {
        await using var harness = Watched();
        var systemctl = harness.Script("systemctl", "touch $0.asked; exec sleep 600");
        await harness.RestartAsync(options => options with { SystemctlProgram = systemctl });
        await harness.PassPollsAsync(2);
        var stopping = harness.StopAsync();
        await Wait.UntilAsync(() => File.Exists(systemctl + ".asked"), "systemctl is running");
        harness.HookTime.Advance(TimeSpan.FromSeconds(3));
        await stopping;
        await harness.RestartAsync(options => options with { SystemctlProgram = "/no/such/systemctl" });
        await harness.PassPollsAsync(1);
        await harness.StopAsync();
        Assert.DoesNotContain(harness.Reports, report => report.Status == VmStatus.Rebooting);
    }

    [Fact]
    public async Task Vm_is_in_use_while_the_workshop_program_or_script_runs()
    {
        await using var harness = Watched();
        var proc = Directory.CreateDirectory(Path.Combine(harness.StateFolder, "proc")).FullName;
        Start("1", "/sbin/init");
        Start("700", "/usr/bin/grep\0sleap-labels");
        await harness.RestartAsync(options => options with { InUseProcess = "sleap-label", ProcFolder = proc });
        await ReceiveAsync(harness, report => report.InUse == false);
        Start("800", "/usr/bin/python3\0/opt/sleap/bin/sleap-label\0--video\0a.mp4");
        await ReceiveAsync(harness, report => report.InUse == true);
        Directory.Delete(Path.Combine(proc, "800"), recursive: true);
        await ReceiveAsync(harness, report => report.InUse == false);
        Start("801", "sleap-label");
        await ReceiveAsync(harness, report => report.InUse == true);

        // The same with a real process.
        using var process = Process.Start(harness.Script("a-workshop-program-with-a-long-name", "sleep 600; true"));
        try
        {
            await Wait.UntilAsync(() => InUseReporter.IsRunning("/proc", "a-workshop-program-with-a-long-name"), "the program is running");
        }
        finally
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync();
        }
        Assert.False(InUseReporter.IsRunning("/proc", "a-workshop-program-with-a-long-name"));

        void Start(string id, string commandLine)
        {
            Directory.CreateDirectory(Path.Combine(proc, id));
            File.WriteAllBytes(Path.Combine(proc, id, "cmdline"), Encoding.UTF8.GetBytes(commandLine + '\0'));
        }
    }

    [Fact]
    public async Task Nearly_full_disk_is_a_warning_until_there_is_room()
    {
        await using var harness = Watched();
        await using var disk = await TinyDisk.MountAsync(Path.Combine(harness.StateFolder, "disk"));
        disk.Fill();
        await harness.RestartAsync(options => options with { DiskPath = disk.Folder, DiskWarnAbove = 90 });
        await ReceiveAsync(harness, report => report.Warnings?["disk"] == $"{disk.Folder} is more than 90 % full");
        disk.Empty();
        await ReceiveAsync(harness, report => report.Warnings?.ContainsKey("disk") == true && report.Warnings["disk"] is null);
    }

    /// <summary>Creates a client that is not started yet; its reporters observe only what the test provides.</summary>
    private static ClientHarness Watched()
    {
        var harness = new ClientHarness(options => options with { GpuProgram = "", SystemctlProgram = "/no/such/systemctl", DiskWarnAbove = 100 });
        harness.OnBuild = services => services.AddReporters(harness.Options).AddSingleton(new ProgramRunner(harness.HookTime));
        return harness;
    }

    /// <summary>Waits until the allocator receives this report, at or after the position of the previous one.</summary>
    private async Task<VmReport> ReceiveAsync(ClientHarness harness, Func<VmReport, bool> condition)
    {
        (int Index, VmReport Item) Found() => harness.Reports.Index().Skip(_lastReport).FirstOrDefault(report => condition(report.Item));
        await harness.PassUntilAsync(() => Found().Item is not null, "the allocator has received the report");
        var (index, report) = Found();
        _lastReport = index;
        return report;
    }
}
