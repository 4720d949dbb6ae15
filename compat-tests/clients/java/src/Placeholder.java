final class Placeholder { private Placeholder() {} }
