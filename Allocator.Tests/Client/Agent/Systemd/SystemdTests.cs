using Allocator.Client.Agent;
using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using Allocator.Client.Agent.Systemd;
using Allocator.Polling;
using Allocator.Tests.Infrastructure;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Allocator.Tests.Client.Agent.Systemd;

public sealed class SystemdTests(PostgresServer server)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Systemd_is_notified_of_readiness_status_watchdog_and_stop(bool isAbstract)
    {
        await using var deployment = await Deployment.StartAsync(server);
        using var terminal = new VmTerminal(deployment.Replica.Address.ToString(),
            new { EnrolmentToken = Replica.EnrolmentToken, FirstPollWithin = "00:00:00" });
        using var systemd = new NotifySocket(terminal.Folder, isAbstract);
        await using var client = Start(terminal, systemd);

        await Wait.UntilAsync(() => systemd.HasReceived("READY=1"), "the client is ready");
        await Wait.UntilAsync(() => systemd.HasReceived("STATUS=free, last poll "), "the status says free");
        await deployment.AskAsync("ada@example.org");
        await Wait.UntilAsync(() => systemd.HasReceived("STATUS=assigned, last poll "), "the status says assigned");
        systemd.Forget();
        await Wait.UntilAsync(() => systemd.HasReceived("WATCHDOG=1"), "the watchdog is notified");
        Assert.DoesNotContain(systemd.Notices, notice => notice.Contains("ada", StringComparison.Ordinal));

        Assert.Equal(0, await client.StopAsync());
        Assert.True(systemd.HasReceived("STOPPING=1"));
        var log = client.Output.Split('\n');
        Assert.All(log, line => Assert.Matches(@"^<[0-7]>\S", line));
        Assert.Contains(log, line => line.StartsWith("<6>", StringComparison.Ordinal) && line.Contains("Enrolled as vm-1", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Watchdog_keeps_running_while_the_allocator_is_unreachable()
    {
        using var terminal = new VmTerminal("http://127.0.0.1:1", new { EnrolmentToken = "token", FirstPollWithin = "00:00:00" });
        using var systemd = new NotifySocket(terminal.Folder, isAbstract: false);
        await using var client = Start(terminal, systemd);
        await Wait.UntilAsync(() => systemd.HasReceived("STATUS=not enrolled, no answer yet: "), "the status says that there is no answer");
        systemd.Forget();
        await Wait.UntilAsync(() => systemd.HasReceived("WATCHDOG=1"), "the watchdog is notified");
        await Wait.UntilAsync(() => client.Output.Contains("<4>", StringComparison.Ordinal), "a warning is logged");
    }

    [Fact]
    public async Task Watchdog_is_notified_only_while_the_loop_keeps_its_schedule()
    {
        var time = new FakeTimeProvider();
        var clock = new SettableClock(time);
        var systemd = new Notices();
        var folder = Directory.CreateTempSubdirectory("allocator-status-");
        var options = new ClientOptions { Url = new Uri("http://allocator.example.org"), StateFolder = folder.FullName,
            RequestTimeout = TimeSpan.FromSeconds(10) };
        var status = new StatusWriter(options, clock, NullLogger<StatusWriter>.Instance);
        using var notices = new SystemdNotifications(systemd, status, options, clock, NullLogger<SystemdNotifications>.Instance);
        await notices.StartAsync(TestContext.Current.CancellationToken);

        // The server has postponed the next poll by ten minutes.
        DueIn(TimeSpan.FromMinutes(10));
        await PassAsync(TimeSpan.FromMinutes(10));
        await LivesAsync();
        // The clock is corrected by a year.
        DueIn(TimeSpan.FromSeconds(30));
        clock.Off = TimeSpan.FromDays(365);
        await LivesAsync();
        // From here on the loop hangs.
        await PassAsync(TimeSpan.FromMinutes(3));
        await Wait.UntilAsync(() => systemd.Sent.Any(notice => notice.Contains("hangs", StringComparison.Ordinal)), "the hang is reported");
        systemd.Sent.Clear();
        await PassAsync(TimeSpan.FromMinutes(1));
        Assert.DoesNotContain("WATCHDOG=1", systemd.Sent);
        // The loop was only very slow.
        DueIn(TimeSpan.FromSeconds(30));
        await LivesAsync();

        await notices.StopAsync(TestContext.Current.CancellationToken);
        folder.Delete(recursive: true);

        void DueIn(TimeSpan wait) => status.Update(known => known with { PolledAt = clock.GetUtcNow(), NextPollAt = clock.GetUtcNow() + wait });

        async Task LivesAsync()
        {
            systemd.Sent.Clear();
            await Wait.UntilAsync(() =>
            {
                time.Advance(TimeSpan.FromSeconds(1));
                return systemd.Sent.Contains("WATCHDOG=1");
            }, "the watchdog is notified");
        }

        // Waiting for each notification ensures that the assertions see a decision made after the time passed.
        async Task PassAsync(TimeSpan span)
        {
            for (var passed = TimeSpan.Zero; passed < span; passed += TimeSpan.FromSeconds(5))
            {
                var before = systemd.Count;
                time.Advance(TimeSpan.FromSeconds(5));
                await Wait.UntilAsync(() => systemd.Count > before, "notifications continue");
            }
        }
    }

    private static Executable Start(VmTerminal terminal, NotifySocket systemd) =>
        Executable.Start("allocator", ["run", "--config", terminal.ConfigurationPath],
        new Dictionary<string, string?>(terminal.Environment) { ["NOTIFY_SOCKET"] = systemd.Name, ["WATCHDOG_USEC"] = "600000" });

    /// <summary>A fake time whose clock can be set independently of the elapsed time.</summary>
    private sealed class SettableClock(FakeTimeProvider time) : TimeProvider
    {
        public TimeSpan Off { get; set; }

        public override long TimestampFrequency => time.TimestampFrequency;

        public override DateTimeOffset GetUtcNow() => time.GetUtcNow() + Off;

        public override long GetTimestamp() => time.GetTimestamp();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            time.CreateTimer(callback, state, dueTime, period);
    }

    private sealed class Notices : ISystemdNotifier
    {
        private int _count;

        public ConcurrentQueue<string> Sent { get; } = new();

        public int Count => Volatile.Read(ref _count);

        public bool IsEnabled => true;

        public void Notify(ServiceState state)
        {
            Sent.Enqueue(state.ToString()!);
            Interlocked.Increment(ref _count);
        }
    }

    /// <summary>The socket on which systemd receives notifications.</summary>
    private sealed class NotifySocket : IDisposable
    {
        private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        private readonly ConcurrentQueue<string> _notices = new();

        public NotifySocket(string folder, bool isAbstract)
        {
            var name = isAbstract ? $"allocator-{Guid.NewGuid():N}" : Path.Combine(folder, "notify");
            Name = isAbstract ? $"@{name}" : name;
            _socket.Bind(new UnixDomainSocketEndPoint(isAbstract ? $"\0{name}" : name));
            _ = ListenAsync();
        }

        public string Name { get; }

        public IEnumerable<string> Notices => _notices;

        public bool HasReceived(string start) => _notices.Any(notice => notice.StartsWith(start, StringComparison.Ordinal));

        public void Forget() => _notices.Clear();

        public void Dispose() => _socket.Dispose();

        private async Task ListenAsync()
        {
            var buffer = new byte[4096];
            try
            {
                while (true)
                {
                    _notices.Enqueue(Encoding.UTF8.GetString(buffer, 0, await _socket.ReceiveAsync(buffer)));
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The test is over.
            }
        }
    }
}
