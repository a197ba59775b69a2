using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.RegularExpressions;
using Allocator.Api.Data;
using Allocator.Contracts;
using Allocator.Tests.Infrastructure;
using Microsoft.Extensions.Hosting;
using Xunit;
using YamlDotNet.Core;
using YamlDotNet.Serialization;

namespace Allocator.Tests.Delivery;

/// <summary><c>compose.yaml</c> is consistent, and agrees with the image and the program.</summary>
public sealed partial class ComposeTests(PostgresServer server) : IDisposable
{
    private static readonly string Dockerfile = Read("Dockerfile");
    private static readonly string Version = VersionElement().Match(Read("Directory.Build.props")).Groups[1].Value;

    private readonly Node _file =
        new(new DeserializerBuilder().Build().Deserialize<object>(new MergingParser(new Parser(new StringReader(Read("compose.yaml"))))));
    private readonly string _folder = Directory.CreateTempSubdirectory("allocator-compose-").FullName;

    private Dictionary<string, Node> Services => _file["services"].Map;

    private Dictionary<string, Node> Replicas => Services.Where(service => service.Key.StartsWith("api-", StringComparison.Ordinal)).ToDictionary();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Every_setting_is_documented()
    {
        var ofTheApi = Documented("## API settings");
        var ofTheClient = Documented("## Client settings");
        var settings = Replicas.Values
            .SelectMany(replica => replica["environment"].Map.Keys.Concat(replica["secrets"].List.Select(secret => secret["target"].Text)))
            .Select(variable => (variable, ofTheApi))
            .Concat(Services["vm-1"]["environment"].Map.Keys.Select(variable =>
                (variable.Replace("ALLOCATOR_", "", StringComparison.Ordinal), ofTheClient)))
            .ToArray();

        Assert.True(settings.Length >= 10, $"{settings.Length} settings");
        Assert.All(settings, setting => Assert.Contains(setting.Item2, key =>
            // Settings with many entries are documented once.
            Regex.IsMatch(setting.Item1.Replace("__", ":", StringComparison.Ordinal), $"^{Regex.Escape(key)}(:[a-z0-9]+)?$")));
        Assert.All(Services["vm-1"]["environment"].Map.Keys, variable => Assert.StartsWith("ALLOCATOR_", variable, StringComparison.Ordinal));
    }

    [Fact]
    public void Connection_pools_of_all_replicas_use_at_most_four_fifths_of_the_connections()
    {
        var most = int.Parse(Postgres("max_connections"), CultureInfo.InvariantCulture);
        var pools = Replicas.Values.Sum(replica =>
            replica["environment"].Map.TryGetValue("Database__PoolSize", out var size) ? int.Parse(size.Text, CultureInfo.InvariantCulture)
                : new DatabaseOptions().PoolSize);

        Assert.Equal(3, Replicas.Count);
        Assert.True(pools + 15 <= 0.8 * most, $"{pools} + 15 of {most}");
        Assert.All(["shared_buffers", "work_mem", "effective_cache_size"], memory => Assert.Matches("^[0-9]+MB$", Postgres(memory)));
    }

    [Fact]
    public void Replica_has_time_to_drain_and_to_finish_its_requests()
    {
        var drain = TimeSpan.Parse(Variable("Health__Drain"), CultureInfo.InvariantCulture);
        Assert.True(drain > TimeSpan.Zero);
        Assert.All(Replicas.Values, replica =>
        {
            Assert.True(Seconds(replica["stop_grace_period"].Text) >= drain + new HostOptions().ShutdownTimeout, replica["stop_grace_period"].Text);
            Assert.DoesNotContain(replica["environment"].Map.Keys, variable => variable is "Health__Drain" or "DOTNET_SHUTDOWNTIMEOUTSECONDS");
        });
    }

    [Fact]
    public async Task HAProxy_accepts_its_configuration_and_its_servers_are_the_replicas()
    {
        var haproxy = Services["haproxy"];
        var servers = haproxy["environment"]["SERVERS"].Text;
        Assert.Equal(
            Replicas.Select(replica => $"server {replica.Key} {Address(replica.Value)}:{Variable("ASPNETCORE_HTTP_PORTS")}"),
            servers.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        var network = IPNetwork.Parse(_file["networks"]["replicas"]["ipam"]["config"].List.Single()["subnet"].Text);
        var addresses = Replicas.Values.Append(haproxy).Select(Address).ToArray();
        Assert.Equal(4, addresses.Distinct().Count());
        Assert.All(addresses, address => Assert.True(network.Contains(IPAddress.Parse(address)), address));

        // Runs the command of the container, with a check instead of the start.
        Assert.Equal("./scripts/haproxy.cfg:/etc/haproxy.cfg:ro", haproxy["volumes"].List.Single().Text);
        var command = haproxy["command"].List.Select(word => word.Text).ToArray();
        Assert.Equal(["sh", "-c"], command[..2]);
        var script = command[2].Replace("$$", "$", StringComparison.Ordinal)
            .Replace("/etc/haproxy.cfg", Path.Combine(RepositoryRoot.Path, "scripts", "haproxy.cfg"), StringComparison.Ordinal)
            .Replace("/tmp/haproxy.cfg", Path.Combine(_folder, "haproxy.cfg"), StringComparison.Ordinal)
            .Replace("exec haproxy -W -db -f", "exec haproxy -c -V -f", StringComparison.Ordinal);
        Assert.Contains("exec haproxy -c", script, StringComparison.Ordinal);
        await using var check = Executable.Start("/bin/sh", ["-c", script], new Dictionary<string, string?>
        {
            ["PATH"] = Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin",
            ["LISTEN"] = haproxy["environment"]["LISTEN"].Text,
            ["SERVERS"] = servers,
        });
        Assert.True(await check.WaitForExitAsync() == 0, check.Output);
        Assert.EndsWith(servers, await File.ReadAllTextAsync(Path.Combine(_folder, "haproxy.cfg")), StringComparison.Ordinal);
    }

    [Fact]
    public void Only_haproxy_may_forward_client_addresses() => Assert.All(Replicas.Values, replica =>
    {
        Assert.Equal(Address(Services["haproxy"]), replica["environment"]["Proxies__Known__0"].Text);
        Assert.Single(replica["environment"].Map.Keys, variable => variable.StartsWith("Proxies__", StringComparison.Ordinal));
    });

    [Fact]
    public void Images_have_pinned_versions_and_ours_has_the_current_one()
    {
        Assert.All(Services, service => Assert.Matches(@"^[a-z]+:[0-9]+\.[0-9]+(\.[0-9]+)?(-[a-z]+)?$", service.Value["image"].Text));
        Assert.All(Replicas.Values, replica => Assert.Equal($"allocator:{Version}", replica["image"].Text));
        Assert.Equal($"allocator:{Version}-client", Services["vm-1"]["image"].Text);
        // One service builds for all; the others would repeat the build and race for the tag.
        var builders = Services.Where(service => service.Value.Map.ContainsKey("build")).ToDictionary();
        Assert.Equal(["api-1", "vm-1"], builders.Keys);
        Assert.Equal(Version, builders["api-1"]["build"]["args"]["VERSION"].Text);
        Assert.Contains("\nARG VERSION=", Dockerfile, StringComparison.Ordinal);
        Assert.Contains($" AS {builders["vm-1"]["build"]["target"].Text}\n", Dockerfile, StringComparison.Ordinal);
        // An image of that name is never pulled.
        Assert.All(Services.Values.Where(service => service["image"].Text.StartsWith("allocator:", StringComparison.Ordinal)), service =>
            Assert.Equal("never", service["pull_policy"].Text));
    }

    [Fact]
    public void Every_container_is_locked_down_and_only_reachable_from_this_machine()
    {
        Assert.All(Services.Values, service =>
        {
            Assert.Equal("true", service["read_only"].Text);
            Assert.Equal("ALL", service["cap_drop"].List.Single().Text);
            Assert.Equal("no-new-privileges:true", service["security_opt"].List.Single().Text);
            Assert.DoesNotContain(service.Map.Keys, key => key is "cap_add" or "privileged" or "pid" or "network_mode");
        });
        Assert.Equal(["haproxy"], Services.Where(service => service.Value.Map.ContainsKey("ports")).Select(service => service.Key));
        Assert.Equal("127.0.0.1:8080:8080", Services["haproxy"]["ports"].List.Single().Text);

        Assert.Equal([.. Replicas.Keys, "postgres"], On("database"));
        Assert.Equal([.. Replicas.Keys, "haproxy"], On("replicas"));
        Assert.Equal(["haproxy", "vm-1"], On("edge"));
        Assert.All(["database", "replicas"], network => Assert.Equal("true", _file["networks"][network]["internal"].Text));

        string[] On(string network) => [.. Services
            .Where(service => service.Value["networks"] is var networks
                && (networks.IsMap ? networks.Map.ContainsKey(network) : networks.List.Any(name => name.Text == network)))
            .Select(service => service.Key).Order(StringComparer.Ordinal)];
    }

    [Fact]
    public async Task Script_creates_every_named_secret_once_and_keeps_it()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "scripts"));
        foreach (var file in new[] { "compose.yaml", "scripts/compose-secrets.sh" })
        {
            File.Copy(Path.Combine(RepositoryRoot.Path, file), Path.Combine(_folder, file));
        }
        // A script that runs the same program stands for the image.
        var engine = Path.Combine(_folder, "docker");
        await File.WriteAllTextAsync(engine, $$"""
            #!/bin/sh
            [ "$1" = run ] || exit 0
            while [ "$1" != allocator:{{Version}} ]; do shift; done
            shift
            exec {{Path.Combine(AppContext.BaseDirectory, "Allocator.Api")}} "$@"
            """);
        File.SetUnixFileMode(engine, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var secrets = Path.Combine(_folder, "secrets");

        var output = await MakeAsync();
        Assert.Contains("http://127.0.0.1:8080", output, StringComparison.Ordinal);
        Assert.Contains("secrets/admin-password", output, StringComparison.Ordinal);
        var made = Directory.GetFiles(secrets).ToDictionary(file => Path.GetFileName(file), File.ReadAllText);
        Assert.All(made, secret => Assert.DoesNotContain(secret.Value.Trim(), output, StringComparison.Ordinal));
        Assert.Equal(
            _file["secrets"].Map.Select(secret => secret.Value["file"].Text).Append("./secrets/admin-password").Order(StringComparer.Ordinal),
            made.Keys.Select(name => $"./secrets/{name}").Order(StringComparer.Ordinal));
        Assert.All(_file["secrets"].Map, secret => Assert.Equal($"./secrets/{secret.Key}", secret.Value["file"].Text));
        Assert.Contains("\n/secrets/\n", Read(".gitignore"), StringComparison.Ordinal);
        // The users of the containers can read the files, but other users cannot enter the folder.
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(secrets));
        Assert.All(made.Keys, name =>
            Assert.Equal(name == "admin-password", !File.GetUnixFileMode(Path.Combine(secrets, name)).HasFlag(UnixFileMode.OtherRead)));

        // A replica accepts the mounted secrets, and the password and the token are valid.
        var mounted = Directory.CreateDirectory(Path.Combine(_folder, "run-secrets")).FullName;
        foreach (var secret in Replicas["api-1"]["secrets"].List.Where(secret => secret["target"].Text != "Database__Password"))
        {
            File.Copy(Path.Combine(secrets, secret["source"].Text), Path.Combine(mounted, secret["target"].Text));
        }
        await using (var api = await ApiProcess.StartAsync(await server.CreateDatabaseAsync(), new() { ["Secrets__Folder"] = mounted }))
        {
            api.Http.DefaultRequestHeaders.Authorization = Deployment.Basic("admin", made["admin-password"]);
            Assert.Equal(HttpStatusCode.OK, (await api.Http.GetAsync("/vms")).StatusCode);
            api.Http.DefaultRequestHeaders.Authorization = new("Bearer", made["enrolment-token"]);
            Assert.Equal(HttpStatusCode.Created, (await api.Http.PostAsJsonAsync("/vms", new EnrolmentRequest("vm-1", "machine-1"))).StatusCode);
        }

        // Existing secrets stay when some are missing.
        File.Delete(Path.Combine(secrets, "enrolment-token-hash"));
        await MakeAsync();
        Assert.Equal(made.OrderBy(secret => secret.Key), Directory.GetFiles(secrets).ToDictionary(file => Path.GetFileName(file), File.ReadAllText)
            .OrderBy(secret => secret.Key));

        async Task<string> MakeAsync()
        {
            await using var script = Executable.Start(Path.Combine(_folder, "scripts", "compose-secrets.sh"), [], new Dictionary<string, string?>
            {
                ["PATH"] = _folder + ":" + Environment.GetEnvironmentVariable("PATH"),
            });
            Assert.True(await script.WaitForExitAsync() == 0, script.Output);
            return script.Output;
        }
    }

    private static string Read(string file) => File.ReadAllText(Path.Combine(RepositoryRoot.Path, file));

    private static string Address(Node service) => service["networks"]["replicas"]["ipv4_address"].Text;

    /// <summary>Returns a variable of the image.</summary>
    private static string Variable(string name) => Regex.Match(Dockerfile, $@"^ENV .*\b{name}=(\S+)", RegexOptions.Multiline).Groups[1].Value;

    private static TimeSpan Seconds(string text) => TimeSpan.FromSeconds(int.Parse(text.TrimEnd('s'), CultureInfo.InvariantCulture));

    private string Postgres(string setting) =>
        Services["postgres"]["command"].List.Select(word => word.Text)
            .Single(word => word.StartsWith(setting + "=", StringComparison.Ordinal))[(setting.Length + 1)..];

    private static string[] Documented(string heading)
    {
        var document = Read("docs/configuration.md");
        var start = document.IndexOf(heading, StringComparison.Ordinal);
        var end = document.IndexOf("\n## ", start + heading.Length, StringComparison.Ordinal);
        return [.. Row().Matches(document[start..(end < 0 ? document.Length : end)]).Select(match => match.Groups[1].Value)];
    }

    [GeneratedRegex("<Version>(.+)</Version>")]
    private static partial Regex VersionElement();

    [GeneratedRegex("^\\| `([^`]+)` \\|", RegexOptions.Multiline)]
    private static partial Regex Row();

    /// <summary>A value of the file; reading a missing key fails.</summary>
    private sealed record Node(object? Value)
    {
        public bool IsMap => Value is Dictionary<object, object>;

        public Dictionary<string, Node> Map =>
            ((Dictionary<object, object?>)Value!).ToDictionary(pair => (string)pair.Key, pair => new Node(pair.Value));

        public Node[] List => [.. ((List<object?>)Value!).Select(item => new Node(item))];

        public string Text => (string)Value!;

        public Node this[string key] => Map[key];
    }
}
