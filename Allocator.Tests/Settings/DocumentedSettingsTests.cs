using System.Collections;
using System.Globalization;
using Allocator.Api.Settings;
using Allocator.Client.Agent;
using Allocator.Contracts.Settings;
using Allocator.Tests.Infrastructure;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Allocator.Tests.Settings;

/// <summary>The tables in <c>docs/configuration.md</c> contain the definitions in the code.</summary>
public sealed class DocumentedSettingsTests(PostgresServer server)
{
    private static readonly string Document = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "configuration.md"));

    [Fact]
    public async Task Table_of_the_api_has_every_setting_with_its_default_and_range()
    {
        await using var replica = await StartAsync();
        var definitions = Sections(replica).SelectMany(section => section.Definitions);
        Assert.Equal(
            string.Join('\n', definitions.Select(setting => setting.DocumentationRow).Order(StringComparer.Ordinal)),
            string.Join('\n', Rows("## API settings").Order(StringComparer.Ordinal)));
    }

    [Fact]
    public async Task Ranges_of_the_api_are_those_that_are_enforced()
    {
        await using var replica = await StartAsync();
        var checkedRanges = 0;
        foreach (var (section, setting) in Sections(replica).SelectMany(section => section.Definitions.Select(setting => (section, setting))))
        {
            if (setting.Min is not null)
            {
                checkedRanges++;
                Assert.All(Limits(setting), value => Assert.Empty(Failures(value)));
                Assert.All(Beyond(setting), value => Assert.StartsWith(setting.Key + " ", Assert.Single(Failures(value)), StringComparison.Ordinal));
            }

            IEnumerable<string> Failures(string value) =>
                section.Check(new ConfigurationBuilder().AddInMemoryCollection([new(setting.Key, value)]).Build());
        }
        Assert.True(checkedRanges >= 17, $"{checkedRanges} ranges");
    }

    [Fact]
    public async Task File_with_the_settings_has_the_defaults()
    {
        await using var replica = await StartAsync();
        var file = new ConfigurationBuilder().AddJsonFile(Path.Combine(RepositoryRoot.Path, "appsettings.json")).Build();
        foreach (var section in Sections(replica))
        {
            var defaults = Activator.CreateInstance(section.Options)!;
            var bound = Activator.CreateInstance(section.Options)!;
            section.Read(file, bound);
            Assert.All(section.Properties, setting => Assert.Equal(Text(setting.GetValue(defaults)), Text(setting.GetValue(bound))));
        }
    }

    [Fact]
    public void Table_of_the_client_has_every_setting_with_its_default_and_range()
    {
        Assert.Equal(
            string.Join('\n', ClientOptions.Definitions.Select(setting => setting.DocumentationRow)),
            string.Join('\n', Rows("## Client settings")));

        var requested = new Recorder();
        Read(requested);
        Assert.Equal(
            ClientOptions.Definitions.Select(setting => setting.Key).Order(StringComparer.Ordinal),
            requested.Keys.Order(StringComparer.Ordinal));
        foreach (var setting in ClientOptions.Definitions.Where(setting => setting.Min is not null))
        {
            Assert.All(Limits(setting), value => Read(new Recorder(setting.Key, value)));
            Assert.All(Beyond(setting), value => Assert.Throws<ClientOptionsException>(() => Read(new Recorder(setting.Key, value))));
        }
    }

    private static void Read(Recorder recorder) => ClientOptions.Read(new ConfigurationRoot([recorder]));

    private async Task<Replica> StartAsync() => new(await server.CreateDatabaseAsync(), new Dictionary<string, string>());

    private static SettingsSection[] Sections(Replica replica) => [.. replica.Services.GetServices<SettingsSection>()];

    /// <summary>Returns the minimum and the maximum, both of which are accepted.</summary>
    private static string[] Limits(SettingDefinition setting) => [Text(setting.Min), Text(setting.Max)];

    /// <summary>Returns the closest values that are not accepted.</summary>
    private static string[] Beyond(SettingDefinition setting) => (setting.Min, setting.Max) switch
    {
        (TimeSpan min, TimeSpan max) => [$"{min - TimeSpan.FromMilliseconds(1)}", $"{max + TimeSpan.FromMilliseconds(1)}"],
        (int min, int max) => [Text(min - 1), Text(max + 1)],
        _ => throw new InvalidOperationException($"{setting.Key} has limits of another type."),
    };

    private static string[] Rows(string heading)
    {
        var start = Document.IndexOf(heading, StringComparison.Ordinal);
        var end = Document.IndexOf("\n## ", start + heading.Length, StringComparison.Ordinal);
        return [.. Document[start..(end < 0 ? Document.Length : end)].Split('\n').Where(line => line.StartsWith("| `", StringComparison.Ordinal))];
    }

    private static string Text(object? value) => value is ICollection { Count: 0 } ? "" : Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";

    /// <summary>A configuration of an address and one other setting that records the keys which are requested.</summary>
    private sealed class Recorder(string? setting = null, string? value = null) : ConfigurationProvider
    {
        private readonly HashSet<string> _keys = [];

        public IEnumerable<string> Keys => _keys;

        public override bool TryGet(string key, out string? found)
        {
            _keys.Add(key);
            found = key == "Url" ? "https://allocator.example.org" : key == setting ? value : null;
            return found is not null;
        }

        public override IEnumerable<string> GetChildKeys(IEnumerable<string> earlierKeys, string? parentPath)
        {
            if (parentPath is not null)
            {
                _keys.Add(parentPath);
            }
            return earlierKeys;
        }
    }
}
