using Allocator.Api.Polling;
using Xunit;

namespace Allocator.Tests.Polling;

public sealed class EntityTagsTests
{
    [Theory]
    [InlineData("\"g12\"", 12, false)]
    [InlineData("W/\"g12\"", 12, false)]
    [InlineData("\"g3\", W/\"g12\" ,\"g7\"", 12, false)]
    [InlineData("*", 0, true)]
    [InlineData("", 0, false)]
    [InlineData("g12", 0, false)]
    [InlineData("\"g12", 0, false)]
    [InlineData("\"g+12\"", 0, false)]
    [InlineData("\"g99999999999999999999\"", 0, false)]
    public void Newest_is_the_highest_generation_in_the_header(string header, long newest, bool any)
    {
        var tags = EntityTags.Parse(header);
        Assert.Equal(newest, tags.Newest);
        Assert.Equal(any, tags.Any);
        Assert.Equal(newest > 0, tags.Contains(12));
    }

    [Fact]
    public void Tags_on_several_header_lines_are_one_list()
    {
        var tags = EntityTags.Parse(new(["\"g1\"", "\"g5\""]));
        Assert.Equal(5, tags.Newest);
        Assert.True(tags.Contains(1));
        Assert.False(tags.Contains(2));
    }
}
