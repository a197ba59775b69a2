using System.Net;
using Allocator.Api.Security;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Allocator.Tests.Security;

public sealed class SignInLimitsTests : IDisposable
{
    private static readonly IPAddress Office = IPAddress.Parse("192.0.2.1");
    private static readonly IPAddress Elsewhere = IPAddress.Parse("198.51.100.1");

    private readonly FakeTimeProvider _time = new();
    private readonly SignInLimits _limits;

    public SignInLimitsTests() => _limits = new SignInLimits(_time);

    public void Dispose() => _limits.Dispose();

    [Fact]
    public void Address_backs_off_twice_as_long_after_each_failure_up_to_the_maximum()
    {
        for (var i = 1; i < SignInLimits.FreeFailures; i++)
        {
            Assert.True(Try("admin", Elsewhere, isRight: false));
        }
        var expected = SignInLimits.MinBackoff;
        for (var i = 0; i < 12; i++)
        {
            Assert.True(Try($"name-{i}", Elsewhere, isRight: false), "all names count together");
            Assert.Equal(expected, _limits.TryBegin("admin", Elsewhere, out _));
            Assert.Null(BeginAndCancel("admin", Office));
            _time.Advance(expected);
            expected = expected * 2 < SignInLimits.MaxBackoff ? expected * 2 : SignInLimits.MaxBackoff;
        }
        Assert.Equal(SignInLimits.MaxBackoff, expected);
    }

    [Fact]
    public void Success_ends_the_back_off()
    {
        for (var i = 0; i < SignInLimits.FreeFailures - 1; i++)
        {
            Assert.True(Try("admin", Elsewhere, isRight: false));
        }
        Assert.True(Try("admin", Elsewhere, isRight: true));
        Assert.True(Try("admin", Elsewhere, isRight: false));
        Assert.Null(BeginAndCancel("admin", Elsewhere));
    }

    [Fact]
    public void One_address_takes_one_place_and_all_of_them_a_few()
    {
        for (var i = 1; i <= SignInLimits.Places; i++)
        {
            Assert.Null(_limits.TryBegin("admin", IPAddress.Parse($"198.51.100.{i}"), out _));
            Assert.NotNull(_limits.TryBegin("grace", IPAddress.Parse($"198.51.100.{i}"), out _));
        }
        Assert.Equal(SignInLimits.MinBackoff, _limits.TryBegin("admin", IPAddress.Parse("198.51.100.99"), out _));
    }

    [Fact]
    public void Admin_who_signed_in_from_an_address_does_not_wait_for_guessers_there()
    {
        Assert.True(Try("admin", Office, isRight: true));
        for (var i = 0; i < SignInLimits.FreeFailures; i++)
        {
            Assert.True(Try("root", Office, isRight: false));
        }
        Assert.NotNull(_limits.TryBegin("root", Office, out _));
        for (var i = 1; i <= SignInLimits.Places; i++)
        {
            Assert.Null(_limits.TryBegin("admin", IPAddress.Parse($"198.51.100.{i}"), out _));
        }
        Assert.Null(BeginAndCancel("admin", Office));
    }

    [Theory]
    [InlineData("192.0.2.1", "192.0.2.2", false)]
    [InlineData("192.0.2.1", "::ffff:192.0.2.1", true)]
    [InlineData("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true)]
    [InlineData("2001:db8:0:1::1", "2001:db8:0:2::1", false)]
    public void IPv6_addresses_of_one_64_are_one_caller(string one, string other, bool isSame) =>
        Assert.Equal(isSame, AddressPrefix.Of(IPAddress.Parse(one)) == AddressPrefix.Of(IPAddress.Parse(other)));

    private bool Try(string name, IPAddress address, bool isRight)
    {
        if (_limits.TryBegin(name, address, out var caller) is not null)
        {
            return false;
        }
        _limits.End(caller, name, isRight);
        return true;
    }

    private TimeSpan? BeginAndCancel(string name, IPAddress address)
    {
        var wait = _limits.TryBegin(name, address, out var caller);
        if (wait is null)
        {
            _limits.End(caller, name, isRight: null);
        }
        return wait;
    }
}
